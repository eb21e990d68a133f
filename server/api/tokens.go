package api

import (
	"context"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/server/access"
)

func (a *API) tokenRoutes() {
	const path, tag = "/v1/tokens", "tokens"
	list := op("GET", path, "list-tokens", tag, "List tokens, without their secrets")
	register(a, list, a.listTokens)
	register(a, createOp(path, "create-token", tag, "Make a token; its secret is shown this once"), a.createToken)
	register(a, op("DELETE", path+"/{id}", "delete-token", tag, "Take a token back", 404), a.deleteToken)
	register(a, op("GET", "/v1/whoami", "whoami", tag, "Show who the token speaks for"), a.whoami)
}

func (a *API) listTokens(ctx context.Context, _ *struct{}) (*body[[]model.Token], error) {
	tokens, err := a.cfg.Store.Tokens(ctx)
	return &body[[]model.Token]{filled(tokens)}, err
}

func (a *API) createToken(ctx context.Context, in *struct{ Body client.TokenInput }) (*body[client.NewToken], error) {
	b := in.Body
	if err := check(model.CheckName("user", b.User)); err != nil {
		return nil, err
	}
	if _, err := a.cfg.Store.EnsureUser(ctx, b.User, ""); err != nil {
		return nil, err
	}
	secret, hash := access.NewToken()
	t := model.Token{ID: model.NewID(), User: b.User, Name: b.Name, Scope: b.Scope, Created: time.Now().UTC()}
	if b.ExpiresMS > 0 {
		end := t.Created.Add(time.Duration(b.ExpiresMS) * time.Millisecond)
		t.Expires = &end
	}
	if err := a.cfg.Store.AddToken(ctx, t, hash); err != nil {
		return nil, err
	}
	a.log.InfoContext(ctx, "token made", "token", t.ID, "scope", string(t.Scope), "for", t.User, "user", user(ctx))
	return &body[client.NewToken]{client.NewToken{Token: t, Secret: secret}}, nil
}

func (a *API) deleteToken(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64" doc:"Id of the token"`
}) (*struct{}, error) {
	if err := a.cfg.Store.DeleteToken(ctx, in.ID); err != nil {
		return nil, err
	}
	a.guard.Forget(in.ID)
	a.log.InfoContext(ctx, "token revoked", "token", in.ID, "user", user(ctx))
	return nil, nil
}

func (a *API) whoami(ctx context.Context, _ *struct{}) (*body[client.Identity], error) {
	t := identity(ctx)
	return &body[client.Identity]{client.Identity{User: t.User, Token: t.Name, Scope: t.Scope, Expires: t.Expires}}, nil
}
