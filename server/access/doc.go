// Package access says who may do what, and keeps secrets.
//
// Who: a caller of the API shows a token, "flow_" and the text form of 32
// random bytes with a checksum. Only the SHA-256 of a token is kept. What: every
// operation of the API stands in a table with the scopes that may do it; an
// operation that is not in the table is denied to all.
//
// # How long a revoked token works
//
// The Guard keeps verified tokens in memory. One that was verified less than
// Fresh (10 s) ago is taken as it is; older ones are verified again, so a token
// that was revoked on another server ends here within Stale (30 s) at most, and
// at once where it was revoked. When the database cannot be reached, a token
// that was verified less than Grace (10 min) ago goes on working, so that an
// outage of the database does not lock everybody out: nobody can revoke a token
// during it either. A token that ends by its own date ends on time in any case.
//
// # Secrets of repositories
//
// Sealer encrypts what must be kept and read again (credentials of git
// repositories) with AES-256-GCM, bound to the object that they belong to.
package access
