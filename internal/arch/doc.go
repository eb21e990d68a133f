// Package arch holds the house in shape: its test reads every import of the
// project and fails on one that points upward or sideways, and on a third-party
// library outside the room it belongs to. docs/development.md draws the ranks.
package arch
