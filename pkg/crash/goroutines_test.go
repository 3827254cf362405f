package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// unguarded are the goroutines that may end the process, and why. Key is the file with what it starts; "func" is a function literal.
var unguarded = map[string]string{
	"crash/crash.go func":                         "this is the guard",
	"crash/crash.go g.running.Go":                 "this is the guard",
	"apiserver/server.go run":                     "a loop that works for everybody",
	"apiserver/server.go running.Go":              "a loop that works for everybody",
	"broker/internal/transport/batch.go b.Run":    "a loop that works for everybody, which guards each of its requests",
	"broker/internal/transport/pool.go l.Close":   "closes a socket",
	"broker/internal/wait/wait.go func":           "is for tests only",
	"cmd/serve/command.go func":                   "waits for the end of the storage",
	"cmd/serve/options.go run":                    "a loop that works for everybody",
	"cmd/standalone/command.go func":              "waits for the end of the storage",
	"cmd/standalone/command.go set.Run":           "a loop that works for everybody",
	"cmd/standalone/command.go tend":              "a loop that works for everybody",
	"cmd/controllers/command.go serving.Go":       "a loop that works for everybody",
	"cmd/controllers/command.go running.Go":       "a loop that works for everybody",
	"controllers/controllers.go running.Go":       "a loop that works for everybody",
	"controllers/external/external.go running.Go": "a loop that works for everybody",
	"controllers/loop/loop.go l.running.Go":       "a loop that works for everybody, which guards each sync",
	"controllers/topic/controller.go running.Go":  "a loop that works for everybody",
	"controllers/topic/unreachable.go running.Go": "guards its question to the brokers",
	"registry/brokered/sweeper.go running.Go":     "guards each name",
	"target/endpoints.go running.Go":              "a loop that works for everybody",
}

// A panic on a goroutine of its own ends the process for everybody, whoever's request or object it is about.
func TestGoroutinesAreGuarded(t *testing.T) {
	root := ".."
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "generated" || name == "apiservertest"):
			return filepath.SkipDir
		case entry.IsDir(), path.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		for start, at := range starts(parsed) {
			key := filepath.ToSlash(relative) + " " + start
			found[key] = true
			if unguarded[key] == "" {
				t.Errorf("%s: a goroutine by %q: start it with crash.Go or crash.Group, or say in this test why it may end the process", files.Position(at), start)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range unguarded {
		if !found[key] {
			t.Errorf("%q is not there any more", key)
		}
	}
}

// starts are the calls in a file that start goroutines which nobody guards: go statements, and Go of sync.WaitGroups that the file names.
func starts(file *ast.File) map[string]token.Pos {
	groups := map[string]bool{}
	declared := func(names []*ast.Ident, of ast.Expr) {
		if of == nil || strings.TrimPrefix(types.ExprString(of), "*") != "sync.WaitGroup" {
			return
		}
		for _, name := range names {
			groups[name.Name] = true
		}
	}
	out := map[string]token.Pos{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			declared(n.Names, n.Type)
		case *ast.ValueSpec:
			declared(n.Names, n.Type)
		case *ast.GoStmt:
			if _, literal := n.Call.Fun.(*ast.FuncLit); literal {
				out["func"] = n.Pos()
			} else {
				out[types.ExprString(n.Call.Fun)] = n.Pos()
			}
		}
		return true
	})
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		of, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || of.Sel.Name != "Go" {
			return true
		}
		group := types.ExprString(of.X)
		if groups[group[strings.LastIndex(group, ".")+1:]] {
			out[types.ExprString(of)] = call.Pos()
		}
		return true
	})
	return out
}
