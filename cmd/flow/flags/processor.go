package flags

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/elasticcode/flow/cmd/flow/exit"
)

// Code adds the options that say which code a processor is.
func Code(cmd *cobra.Command, repo, module, modulePath, branch, tag, commit *string) {
	set := cmd.Flags()
	set.StringVarP(repo, "gitrepo", "g", "", "git repository: a URL, or a local path")
	set.StringVarP(module, "module", "m", "", "module in the repository that holds the functions, for example some.module.path")
	Two(cmd, modulePath, "modulepath", "mp", "", "folder of the repository that modules are found in")
	Two(cmd, branch, "branch", "br", "", "branch to run")
	set.StringVar(tag, "tag", "", "tag to run")
	set.StringVar(commit, "commit", "", "commit to run: its hash, or the beginning of it")
	Exclusive(cmd, "branch", "tag", "commit")
}

// Placement adds the options that say where and how often a processor runs. -w
// is the name that the original gives to -c.
func Placement(cmd *cobra.Command, hostname *string, concurrency *int) {
	set := cmd.Flags()
	set.StringVarP(hostname, "hostname", "h", "", "node to run on; the scheduler chooses when left out")
	set.IntVarP(concurrency, "concurrency", "c", 1, "how many workers (CPUs) are wanted in all")
	set.VarPF(alias{set.Lookup("concurrency")}, "workers", "w", "the same as --concurrency")
	Exclusive(cmd, "concurrency", "workers")
}

// alias is a second name of an option.
type alias struct{ of *pflag.Flag }

func (a alias) String() string        { return "" }
func (a alias) Type() string          { return a.of.Value.Type() }
func (a alias) Set(text string) error { return a.of.Value.Set(text) }

// scpLike tells of git's short form of an ssh URL: user@host:path.
func scpLike(repo string) bool {
	host, _, found := strings.Cut(repo, ":")
	return found && host != "" && !strings.ContainsAny(host, "/ ")
}

// Repository makes a local path absolute: the server does not run in the folder
// that this command does. URLs are left as they are.
func Repository(repo string) (string, error) {
	if strings.Contains(repo, "://") {
		return repo, nil
	}
	_, err := os.Stat(repo)
	if err != nil && (scpLike(repo) || filepath.IsAbs(repo)) {
		return repo, nil // the server says whether it can reach it
	}
	if err != nil {
		return "", &exit.Error{
			Code: exit.NotFound, Err: err,
			Message: "there is no git repository at the path " + repo,
			Next:    "give a URL (https://…, ssh://…, user@host:path) or the path of a folder",
		}
	}
	return filepath.Abs(repo)
}
