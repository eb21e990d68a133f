package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/server/access"
	"github.com/elasticcode/flow/store"
)

// Admin is the name of the first user.
const Admin = "admin"

// AdminToken returns the first admin's token, kept in a file of the data
// directory that only its owner may read. One that is missing, or that the
// database does not know, is made anew.
func AdminToken(ctx context.Context, db *store.Store, dir string) (string, error) {
	path := filepath.Join(dir, "admin.token")
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the admin's token: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if access.WellFormed(secret) {
		_, err := db.TokenByHash(ctx, access.Hash(secret))
		if err == nil {
			return secret, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
	}
	secret, err = NewAdminToken(ctx, db)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the admin's token: %w", err)
	}
	return secret, nil
}

// NewAdminToken makes a token for the first admin.
func NewAdminToken(ctx context.Context, db *store.Store) (string, error) {
	user, err := db.EnsureUser(ctx, Admin, "")
	if err != nil {
		return "", err
	}
	secret, hash := access.NewToken()
	t := model.Token{ID: model.NewID(), User: user.Name, Name: "first", Scope: model.ScopeAdmin, Created: time.Now().UTC()}
	if err := db.AddToken(ctx, t, hash); err != nil {
		return "", err
	}
	return secret, nil
}
