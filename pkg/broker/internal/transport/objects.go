package transport

import (
	"fmt"
	"strconv"
	"strings"
)

func IDObject(kind string, id int32) string { return kind + " " + strconv.Itoa(int(id)) }

func PartitionObject(topic string, partition int32) string {
	return topic + "-" + strconv.Itoa(int(partition))
}

func Objects(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
