package fastway

import (
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// originals are the packages that stand for those of the original, by the names under which testdata/original_api.txt has
// these.
var originals = map[string]string{
	"fastway": "fastway", "fastway/link": "link", "fastway/link/codec": "codec", "fastway/slab": "slab", "fastway/snet": "snet",
}

// absent lists the names of the original that this SDK lacks, by the beginning of their lines, with the reason.
var absent = map[string]string{
	"pkg fastway, func NewGateway(":             "the gateway is a program of its own: package fastwaytest runs it for tests",
	"pkg fastway, type Gateway ":                "as NewGateway",
	"pkg fastway, method (*Gateway)":            "as NewGateway",
	"pkg fastway, type GatewayCfg ":             "as NewGateway",
	"pkg fastway, var EndPointTimer, Lock()":    "the original's timer has them since it embeds its mutex: there is nothing to lock",
	"pkg fastway, var EndPointTimer, TryLock()": "as Lock",
	"pkg fastway, var EndPointTimer, Unlock()":  "as Lock",
}

// testdata/original_api.txt is the whole exported API of the original's packages: names and types, in the form of the files
// in $GOROOT/api. A program that uses nothing else compiles here.
func TestTheWholeAPIOfTheOriginalIsHere(t *testing.T) {
	listed, err := os.ReadFile("testdata/original_api.txt")
	if err != nil {
		t.Fatal(err)
	}
	ours := exportedAPI(t)
	excused := map[string]bool{}
	for line := range strings.Lines(string(listed)) {
		line = strings.TrimSuffix(line, "\n")
		reason := ""
		for prefix := range absent {
			if strings.HasPrefix(line, prefix) {
				reason = prefix
			}
		}
		switch is := ours[line]; {
		case reason != "" && is:
			t.Errorf("it is here, although it is listed as absent: %s", line)
		case reason != "":
			excused[reason] = true
		case !is:
			t.Errorf("it is missing, or differs: %s", line)
		}
	}
	for prefix := range absent {
		if !excused[prefix] {
			t.Errorf("the original does not have what is listed as absent: %s", prefix)
		}
	}
}

func exportedAPI(t *testing.T) map[string]bool {
	t.Helper()
	compiled := compiledPackages(t)
	read := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(compiled[path])
	})
	lines := api{}
	for path, name := range originals {
		pkg, err := read.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		lines.addPackage(name, pkg)
	}
	return lines
}

// compiledPackages finds the export data of our packages, and of all that they import.
func compiledPackages(t *testing.T) map[string]string {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}")
	for path := range originals {
		list.Args = append(list.Args, path)
	}
	list.Stderr = os.Stderr
	listed, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(listed)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		files[path] = file
	}
	return files
}

// api is a line for each exported name, and for each exported part of it.
type api map[string]bool

func (a api) addPackage(name string, pkg *types.Package) {
	for _, symbol := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(symbol)
		if !object.Exported() {
			continue
		}
		add := func(format string, args ...any) {
			a["pkg "+name+", "+strings.ReplaceAll(fmt.Sprintf(format, args...), name+".", "")] = true
		}
		switch object := object.(type) {
		case *types.Const:
			add("const %s %s = %s", symbol, text(object.Type()), object.Val())
		case *types.Func:
			add("func %s%s", symbol, signature(object))
		case *types.Var:
			addVar(add, object)
		case *types.TypeName:
			addType(add, object)
		}
	}
}

// addVar lists the methods of a variable instead of its type when that is a pointer: the type may be without a name.
func addVar(add func(format string, args ...any), object *types.Var) {
	pointer, ok := object.Type().(*types.Pointer)
	if !ok {
		add("var %s %s", object.Name(), text(object.Type()))
		return
	}
	add("var %s", object.Name())
	for method := range exportedMethods(pointer) {
		add("var %s, %s", object.Name(), method)
	}
}

func addType(add func(format string, args ...any), object *types.TypeName) {
	name := object.Name()
	if object.IsAlias() {
		add("type %s = %s", name, text(object.Type()))
		return
	}
	switch underlying := object.Type().Underlying().(type) {
	case *types.Interface:
		methods := exportedMethods(object.Type())
		add("type %s interface of %d methods", name, len(methods))
		for method := range methods {
			add("type %s interface, %s", name, method)
		}
		return
	case *types.Struct:
		addStruct(add, name, underlying)
	default:
		add("type %s %s", name, text(underlying))
	}
	values := exportedMethods(object.Type())
	for method := range exportedMethods(types.NewPointer(object.Type())) {
		if values[method] {
			add("method (%s) %s", name, method)
		} else {
			add("method (*%s) %s", name, method)
		}
	}
}

func addStruct(add func(format string, args ...any), name string, of *types.Struct) {
	add("type %s struct", name)
	var fields []string
	for i := range of.NumFields() {
		field := of.Field(i)
		fields = append(fields, field.Name())
		if field.Exported() {
			add("type %s struct, %s %s", name, field.Name(), text(field.Type()))
		}
	}
	if !slices.ContainsFunc(fields, func(field string) bool { return !token.IsExported(field) }) {
		// A literal may be without names.
		add("type %s struct in this order: %s", name, strings.Join(fields, ", "))
	}
}

func exportedMethods(of types.Type) map[string]bool {
	methods := map[string]bool{}
	for method := range types.NewMethodSet(of).Methods() {
		if object := method.Obj(); object.Exported() {
			methods[object.Name()+signature(object)] = true
		}
	}
	return methods
}

// signature is the type of a function or method.
func signature(function types.Object) string {
	return strings.TrimPrefix(text(function.Type()), "func")
}

// text names packages as testdata/original_api.txt does, and leaves out parameter names, which callers do not see.
func text(is types.Type) string {
	name := types.TypeString(withoutNames(is), func(pkg *types.Package) string {
		if name, ok := originals[pkg.Path()]; ok {
			return name
		}
		return pkg.Path()
	})
	return strings.ReplaceAll(name, "interface{}", "any")
}

func withoutNames(is types.Type) types.Type {
	is = types.Unalias(is)
	function, ok := is.(*types.Signature)
	if !ok {
		return is
	}
	return types.NewSignatureType(nil, nil, nil, unnamed(function.Params()), unnamed(function.Results()), function.Variadic())
}

func unnamed(named *types.Tuple) *types.Tuple {
	var all []*types.Var
	for v := range named.Variables() {
		all = append(all, types.NewVar(token.NoPos, nil, "", withoutNames(v.Type())))
	}
	return types.NewTuple(all...)
}
