package api

import (
	"net/url"
	"path/filepath"
	"strings"
)

// splitRepo takes the credentials out of the address of a git repository. They
// are "user:password"; a token that is given as the user alone is "token:".
func splitRepo(address string) (clean, credentials string, err error) {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		if !filepath.IsAbs(address) && !remote(address) {
			return "", "", invalid("the path of the git repository is not absolute: the server cannot know what it begins at",
				"give the whole path, beginning with /, or a URL")
		}
		return address, "", nil
	}
	u, err := url.Parse(address)
	if err != nil {
		// The error of url.Parse repeats the address, which may hold a password.
		return "", "", invalid("the address of the git repository is not a URL", "write it as https://HOST/PATH, ssh://HOST/PATH, or the path of a folder")
	}
	if u.User == nil {
		return address, "", nil
	}
	password, has := u.User.Password()
	switch u.Scheme {
	case "http", "https":
		credentials = u.User.Username() + ":" + password
		u.User = nil
	default: // the user of an ssh address is part of the address, not a secret
		if has {
			credentials = u.User.Username() + ":" + password
			u.User = url.User(u.User.Username())
		}
	}
	return u.String(), credentials, nil
}

// remote tells whether an address without a scheme is that of another host, as
// in git@host:path.
func remote(address string) bool {
	host, _, found := strings.Cut(address, ":")
	return found && !strings.Contains(host, "/")
}

// sameHost tells whether two addresses lead to the same host, so that
// credentials for one may be shown to the other.
func sameHost(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && x.Host == y.Host
}
