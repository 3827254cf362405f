//go:build linux || darwin

package storage

import "golang.org/x/sys/unix"

// volumeBytes is the size of the file system that a folder is on.
func volumeBytes(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Blocks) * int64(stat.Bsize), nil
}
