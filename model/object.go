package model

import "time"

// Object is what every declared thing has. Names are unique within a network
// and a kind.
type Object struct {
	ID      string    `json:"id"`
	Network string    `json:"network"`
	Name    string    `json:"name"`
	Owner   string    `json:"owner,omitempty"` // the user who made it
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Network is a namespace: names of objects are unique within it.
type Network struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Owner   string    `json:"owner,omitempty"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Page is one page of a listing.
type Page[T any] struct {
	Items []T `json:"items"`
	// Next is the cursor of the following page; empty on the last one.
	Next string `json:"next,omitempty"`
	// Total counts all items of the listing, over all pages.
	Total int64 `json:"total"`
	// AtLeast says that there are more than Total: listings of calls are counted
	// to 10,000, and no further unless asked to.
	AtLeast bool `json:"at_least,omitempty"`
}
