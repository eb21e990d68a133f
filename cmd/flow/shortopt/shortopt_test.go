package shortopt

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// tree is: flow [--server S] [-v] add socket [-p] [-pn NAME] [-n NAME] [-nd] [-h HOST]
func tree() (*cobra.Command, *cobra.Command) {
	root := &cobra.Command{Use: "flow"}
	root.PersistentFlags().String("server", "", "")
	root.PersistentFlags().BoolP("verbose", "v", false, "")
	root.PersistentFlags().Bool("help", false, "")
	add := &cobra.Command{Use: "add"}
	socket := &cobra.Command{Use: "socket", Aliases: []string{"so"}, RunE: func(*cobra.Command, []string) error { return nil }}
	flags := socket.Flags()
	flags.StringP("name", "n", "", "")
	flags.BoolP("plain", "p", false, "")
	flags.StringP("hostname", "h", "", "")
	flags.String("procname", "", "")
	flags.Bool("nodata", false, "")
	Set(flags, "procname", "pn")
	Set(flags, "nodata", "nd")
	add.AddCommand(socket)
	root.AddCommand(add)
	return root, socket
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"add socket -n s -pn proc1":          "add socket -n s --procname proc1",
		"add socket -pn=proc1":               "add socket --procname=proc1",
		"add socket -pn= -n s":               "add socket --procname= -n s",
		"add socket -pn=a=b":                 "add socket --procname=a=b",
		"add so -pn proc1":                   "add so --procname proc1",
		"--server http://x add socket -pn p": "--server http://x add socket --procname p",
		"--server=http://x add socket -pn p": "--server=http://x add socket --procname p",
		"-v add socket -nd":                  "-v add socket --nodata",
		"add -v socket -nd":                  "add -v socket --nodata",
		"--server add socket -pn p":          "--server add socket -pn p", // "add" is the server
		"add socket -n -pn":                  "add socket -n -pn",         // "-pn" is the name
		"add socket --name -pn -pn p":        "add socket --name -pn --procname p",
		"add socket -pn -nd":                 "add socket --procname -nd", // "-nd" is the processor
		"add socket -n=-pn -nd":              "add socket -n=-pn --nodata",
		"add socket -nx -nd":                 "add socket -nx --nodata",
		"add socket -pv -nd":                 "add socket -pv --nodata",
		"add socket -vn -pn p":               "add socket -vn -pn p", // the value of -n, behind the flag -v
		"add socket -pnx":                    "add socket -pnx",
		"add socket -- -pn p":                "add socket -- -pn p",
		"add socket x -pn p":                 "add socket x --procname p",
		"add -pn p":                          "add -pn p",
		"-pn p":                              "-pn p",
		"add socket -":                       "add socket -",
		"add socket --pn p":                  "add socket --pn p",
		"__complete add socket -pn pro":      "__complete add socket --procname pro",
		"__complete add socket -pn":          "__complete add socket -pn",
		"__complete ":                        "__complete ",
	} {
		root, _ := tree()
		got := strings.Join(Rewrite(root, strings.Split(in, " ")), " ")
		if got != want {
			t.Errorf("Rewrite(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRewriteThenParse(t *testing.T) {
	t.Parallel()
	root, socket := tree()
	root.SetOut(io.Discard)
	root.SetArgs(Rewrite(root, strings.Fields("add socket -pn proc1 -p -n s -nd -h localhost")))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range []string{"name", "procname", "plain", "nodata", "hostname"} {
		got[name] = socket.Flags().Lookup(name).Value.String()
	}
	want := map[string]string{"name": "s", "procname": "proc1", "plain": "true", "nodata": "true", "hostname": "localhost"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("options are %v, want %v", got, want)
	}
}

func TestSetRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"procname", "pnx"}, {"procname", "p"}, {"none", "no"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Set(%q, %q) was accepted", c[0], c[1])
				}
			}()
			_, cmd := tree()
			Set(cmd.Flags(), c[0], c[1])
		}()
	}
}
