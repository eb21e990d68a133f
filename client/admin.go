package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/elasticcode/flow/model"
)

// Health is whether one of the services behind the server answers.
type Health struct {
	OK      bool   `json:"ok" doc:"Whether it answers"`
	Message string `json:"message" doc:"What it is, or why it does not answer"`
}

// Status is how the server and what is behind it are.
type Status struct {
	Version string    `json:"version" doc:"Version of the server"`
	Started time.Time `json:"started" doc:"When the server started"`
	// UptimeMS is how long the server has been running, in milliseconds.
	UptimeMS int64  `json:"uptime_ms" doc:"How long the server has been running, in milliseconds"`
	Broker   Health `json:"broker" doc:"What moves calls"`
	Backend  Health `json:"backend" doc:"What carries results and events"`
	Store    Health `json:"store" doc:"The database"`
}

// OK tells whether everything answers.
func (s Status) OK() bool { return s.Broker.OK && s.Backend.OK && s.Store.OK }

// Version says which program the server runs.
type Version struct {
	Version string `json:"version" doc:"Version of the server"`
	Commit  string `json:"commit,omitempty" doc:"Commit it was built from"`
	Go      string `json:"go,omitempty" doc:"Version of Go it was built with"`
	API     string `json:"api" doc:"Version of the API" example:"v1"`
}

// Identity is who a token speaks for.
type Identity struct {
	User    string      `json:"user" doc:"Name of the user"`
	Token   string      `json:"token" doc:"Name of the token"`
	Scope   model.Scope `json:"scope" doc:"What the token may be used for"`
	Expires *time.Time  `json:"expires,omitempty" doc:"When the token ends"`
}

// TokenInput asks for a token. A user that does not exist is created.
type TokenInput struct {
	User      string      `json:"user" minLength:"1" maxLength:"80" doc:"Name of the user it speaks for" example:"admin"`
	Name      string      `json:"name" minLength:"1" maxLength:"80" doc:"What it is for" example:"laptop"`
	Scope     model.Scope `json:"scope,omitempty" enum:"admin,agent" default:"admin" doc:"What it may be used for"`
	ExpiresMS int64       `json:"expires_ms,omitempty" minimum:"0" doc:"In how many milliseconds it ends; 0 is never"`
}

// NewToken is a token with its secret, which is shown this once.
type NewToken struct {
	model.Token
	Secret string `json:"token" doc:"The secret; it is kept nowhere and not shown again"`
}

// Status returns how the server and what is behind it are.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var out Status
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/status", out: &out})
	return out, err
}

// Version returns which program the server runs. It needs no token.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var out Version
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/version", out: &out})
	return out, err
}

// WhoAmI returns who the client's token speaks for.
func (c *Client) WhoAmI(ctx context.Context) (Identity, error) {
	var out Identity
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/whoami", out: &out})
	return out, err
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, in TokenInput) (NewToken, error) {
	var out NewToken
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/tokens", body: in, out: &out})
	return out, err
}

// Tokens lists all tokens, without their secrets.
func (c *Client) Tokens(ctx context.Context) ([]model.Token, error) {
	var out []model.Token
	_, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/tokens", out: &out})
	return out, err
}

// DeleteToken takes a token back. Servers notice within half a minute.
func (c *Client) DeleteToken(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)})
	return err
}
