package model

import "time"

// User is a person or program that may use Flow.
type User struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Email   string    `json:"email,omitempty"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Scope is what a token may be used for.
type Scope string

// The scopes of a token.
const (
	ScopeAdmin Scope = "admin" // everything
	ScopeAgent Scope = "agent" // what an agent does: read its plan, report
)

// Token proves who is calling the API. Only a hash of its secret is kept.
type Token struct {
	ID       string     `json:"id"`
	User     string     `json:"user"`
	Name     string     `json:"name"`
	Scope    Scope      `json:"scope"`
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires,omitempty"`
	LastUsed *time.Time `json:"last_used,omitempty"`
}
