package store

import (
	"context"
	"time"

	"gorm.io/gorm/clause"

	"github.com/elasticcode/flow/model"
)

type userRow struct {
	ID      string `gorm:"primaryKey"`
	Name    string `gorm:"not null;uniqueIndex:idx_users_name"`
	Email   string `gorm:"not null"`
	Created stamp  `gorm:"not null"`
	Updated stamp  `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (userRow) TableName() string { return "users" }

func (r userRow) object() model.User {
	return model.User{ID: r.ID, Name: r.Name, Email: r.Email, Created: r.Created.time(), Updated: r.Updated.time()}
}

type tokenRow struct {
	ID       string `gorm:"primaryKey"`
	UserName string `gorm:"not null"`
	Name     string `gorm:"not null"`
	Scope    string `gorm:"not null"`
	Hash     []byte `gorm:"not null;uniqueIndex:idx_tokens_hash"`
	Created  stamp  `gorm:"not null"`
	Expires  *stamp
	LastUsed *stamp
}

// TableName implements gorm's Tabler.
func (tokenRow) TableName() string { return "tokens" }

func (r tokenRow) object() model.Token {
	return model.Token{
		ID: r.ID, User: r.UserName, Name: r.Name, Scope: model.Scope(r.Scope),
		Created: r.Created.time(), Expires: timeOf(r.Expires), LastUsed: timeOf(r.LastUsed),
	}
}

// EnsureUser returns the named user, made when there was none. An email that is
// not empty replaces the one known.
func (s *Store) EnsureUser(ctx context.Context, name, email string) (model.User, error) {
	t := stamp(now())
	r := userRow{ID: model.NewID(), Name: name, Email: email, Created: t, Updated: t}
	conflict := clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoNothing: true}
	if email != "" {
		conflict.DoNothing = false
		conflict.DoUpdates = clause.AssignmentColumns([]string{"email", "updated"})
	}
	db := s.write.WithContext(ctx)
	err := db.Clauses(conflict).Create(&r).Error
	if err == nil {
		r = userRow{}
		err = db.Where("name = ?", name).Take(&r).Error
	}
	if err != nil {
		return model.User{}, s.fail(ctx, "make user", err)
	}
	return r.object(), nil
}

// AddToken keeps a token of a user that exists, with the hash of its secret.
func (s *Store) AddToken(ctx context.Context, t model.Token, hash []byte) error {
	if t.ID == "" {
		t.ID = model.NewID()
	}
	if t.Created.IsZero() {
		t.Created = now()
	}
	r := tokenRow{
		ID: t.ID, UserName: t.User, Name: t.Name, Scope: string(t.Scope), Hash: hash,
		Created: stamp(t.Created), Expires: stampOf(t.Expires), LastUsed: stampOf(t.LastUsed),
	}
	err := s.write.WithContext(ctx).Create(&r).Error
	return s.fail(ctx, "add token", s.explain(ctx, err, "token", object{Name: t.Name}, []ref{{"user", t.User}}))
}

// TokenByHash returns the token whose secret has this hash. Whether it has
// expired is for the caller to see.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (model.Token, error) {
	var r tokenRow
	err := s.read.WithContext(ctx).Where("hash = ?", hash).Take(&r).Error
	if missingRow(err) {
		err = &NotFound{Kind: "token"}
	}
	if err != nil {
		return model.Token{}, s.fail(ctx, "get token", err)
	}
	return r.object(), nil
}

// Tokens returns all tokens, the oldest first.
func (s *Store) Tokens(ctx context.Context) ([]model.Token, error) {
	return all[tokenRow, model.Token](ctx, s, s.read, "created, id")
}

// DeleteToken revokes a token.
func (s *Store) DeleteToken(ctx context.Context, id string) error {
	done := s.write.WithContext(ctx).Where("id = ?", id).Delete(&tokenRow{})
	if done.Error == nil && done.RowsAffected == 0 {
		return &NotFound{Kind: "token", Name: id}
	}
	return s.fail(ctx, "delete token", done.Error)
}

// TouchToken says when a token was used last; an earlier time changes nothing.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time) error {
	t := stamp(at)
	err := s.write.WithContext(ctx).Model(&tokenRow{}).
		Where("id = ? AND (last_used IS NULL OR last_used < ?)", id, t).UpdateColumn("last_used", t).Error
	return s.fail(ctx, "touch token", err)
}
