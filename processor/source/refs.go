package source

import (
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// refs are the branches and tags of a repository, with the hashes of their
// commits (or of their tag objects, where those are not peeled yet).
type refs struct {
	head     string // hash of the default branch
	branches map[string]string
	tags     map[string]string
}

func newRefs() *refs { return &refs{branches: map[string]string{}, tags: map[string]string{}} }

func (f *refs) add(name plumbing.ReferenceName, hash string) {
	switch {
	case name.IsBranch():
		f.branches[name.Short()] = hash
	case name.IsTag():
		f.tags[name.Short()] = hash
	}
}

// find returns the hash of what is asked for; an empty one when the name can only be
// the beginning of a commit's hash.
func (f *refs) find(url string, kind Kind, name string) (string, error) {
	if len(f.branches) == 0 && len(f.tags) == 0 && f.head == "" {
		return "", emptyRepository(url)
	}
	if name == "" {
		return f.findDefault(url, kind)
	}
	if hash, ok := f.branches[strings.TrimPrefix(name, "refs/heads/")]; ok && (kind == Branch || kind == "") {
		return hash, nil
	}
	if hash, ok := f.tags[strings.TrimPrefix(name, "refs/tags/")]; ok && (kind == Tag || kind == "") {
		return hash, nil
	}
	switch {
	case kind == Branch:
		return "", noSuch(kind, name, url, keys(f.branches))
	case kind == Tag:
		return "", noSuch(kind, name, url, keys(f.tags))
	case kind == "" && !hexName.MatchString(strings.ToLower(name)):
		return "", noSuch(kind, name, url, f.names())
	}
	return "", nil
}

func (f *refs) findDefault(url string, kind Kind) (string, error) {
	switch {
	case kind == Tag:
		return "", fault("no tag is named", nil, true)
	case kind == Commit:
		return "", fault("no commit is named", nil, true)
	case f.head == "":
		return "", noSuch(Branch, "(the default)", url, keys(f.branches))
	}
	return f.head, nil
}

func (f *refs) names() []string { return append(keys(f.branches), keys(f.tags)...) }

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}
