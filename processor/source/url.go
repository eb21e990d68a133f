package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Credentials are "user:password" for a repository; a token alone is a user
// without password. They do not print.
type Credentials string

const hidden = "[credentials]"

// String hides them.
func (Credentials) String() string { return hidden }

// GoString hides them.
func (Credentials) GoString() string { return hidden }

// LogValue hides them.
func (Credentials) LogValue() slog.Value { return slog.StringValue(hidden) }

func (c Credentials) parts() (user, password string) {
	user, password, _ = strings.Cut(string(c), ":")
	return user, password
}

// schemes are the kinds of URLs that a repository may have.
var schemes = []string{"https", "http", "ssh", "git", "file"}

// scpForm is [user@]host:path, as ssh has it. One letter before the colon is
// no host but a drive.
var scpForm = regexp.MustCompile(`^(?:([^/@:\s]+)@)?([A-Za-z0-9._-]{2,}):([^\s]+)$`)

// SplitCredentials takes the credentials out of a repository's URL, and what only
// installers use: a prefix git+ and a fragment like #egg=name. The user of an ssh
// URL is no secret and stays.
func SplitCredentials(rawURL string) (clean string, c Credentials, err error) {
	raw := strings.TrimPrefix(strings.TrimSpace(rawURL), "git+")
	if raw == "" {
		return "", "", badURL("no repository is given: name its URL or its path")
	}
	if i := strings.LastIndex(raw, "#egg="); i >= 0 {
		raw = raw[:i]
	}
	if filepath.IsAbs(raw) {
		return raw, "", nil
	}
	if !strings.Contains(raw, "://") {
		if scpForm.MatchString(raw) {
			return raw, "", nil
		}
		return "", "", badURL("%q is neither a URL nor an absolute path: give https://…, ssh://…, git@host:path or the whole path of a local repository", noUser(raw))
	}
	u, err := url.Parse(raw)
	if err != nil { // its error would show the URL
		return "", "", badURL("%q is not a valid URL", noUser(raw))
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Fragment, u.RawFragment = "", ""
	switch {
	case !slices.Contains(schemes, u.Scheme):
		return "", "", badURL("%s: repositories are reached by %s or a path, not by %s", noUser(raw), strings.Join(schemes, ", "), u.Scheme)
	case u.Scheme != "file" && u.Host == "":
		return "", "", badURL("%s has no host", noUser(raw))
	}
	if u.User == nil {
		return u.String(), "", nil
	}
	user := u.User.Username()
	password, has := u.User.Password()
	if u.Scheme == "ssh" {
		u.User = url.User(user)
		if !has {
			return u.String(), "", nil
		}
	} else {
		u.User = nil
	}
	if user == "" && password == "" {
		return u.String(), "", nil
	}
	if strings.Contains(user, ":") {
		return "", "", badURL("%s: a user name cannot contain a colon", noUser(raw))
	}
	c = Credentials(user)
	if has {
		c += Credentials(":" + password)
	}
	return u.String(), c, nil
}

var userPart = regexp.MustCompile(`://[^/]*@`)

// noUser hides what may be credentials in a text that may be no URL.
func noUser(raw string) string {
	raw = userPart.ReplaceAllString(raw, "://")
	if len(raw) > 200 {
		raw = raw[:200] + "…"
	}
	return raw
}

// localPath returns the path of a repository on this machine.
func localPath(clean string) (string, bool) {
	if filepath.IsAbs(clean) {
		return filepath.Clean(clean), true
	}
	if rest, ok := strings.CutPrefix(clean, "file://"); ok {
		u, err := url.Parse(clean)
		if err == nil {
			rest = u.Path
		}
		return filepath.Clean("/" + strings.TrimPrefix(rest, "/")), true
	}
	return "", false
}

// normalise gives the same text for the spellings of one repository.
func normalise(clean string) string {
	if path, ok := localPath(clean); ok {
		return path
	}
	u, err := url.Parse(clean)
	if err != nil || u.Host == "" {
		return strings.TrimSuffix(strings.TrimSuffix(clean, "/"), ".git")
	}
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git")
	return u.String()
}

// key is the name of a repository in the cache.
func key(clean string) string {
	sum := sha256.Sum256([]byte(normalise(clean)))
	return hex.EncodeToString(sum[:12])
}

// prepared splits what a caller gave; credentials in the URL count when none
// were given apart.
func prepared(rawURL string, c Credentials) (string, Credentials, error) {
	clean, found, err := SplitCredentials(rawURL)
	if c == "" {
		c = found
	}
	return clean, c, err
}

func badURL(format string, args ...any) error {
	return fault(fmt.Sprintf(format, args...), nil, true)
}
