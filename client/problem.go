package client

import "net/http"

// Problem is the body of every answer that is not good: RFC 9457 with a code,
// a hint and suggestions. Its content type is application/problem+json.
type Problem struct {
	Type        string   `json:"type,omitempty" doc:"A URI that names the kind of problem"`
	Title       string   `json:"title" doc:"The HTTP status in words" example:"Unprocessable Entity"`
	Status      int      `json:"status" doc:"The HTTP status" example:"422"`
	Code        Code     `json:"code" doc:"What kind of failure it is" enum:"usage,not_found,conflict,unauthorized,forbidden,unavailable,timeout,too_large,invalid,internal"`
	Detail      string   `json:"detail" doc:"What failed and why"`
	Hint        string   `json:"hint" doc:"What to do next"`
	Suggestions []string `json:"suggestions,omitempty" doc:"Existing names close to one that was not found"`
	Errors      []Fault  `json:"errors,omitempty" doc:"Every fault of the request with its place"`
}

// Fault is one fault of a request.
type Fault struct {
	Message  string `json:"message" doc:"What is wrong"`
	Location string `json:"location,omitempty" doc:"Where, for example body.name or query.limit"`
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the content type of a problem for that of a good answer.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func (p *Problem) err(status int) *Error {
	return &Error{Code: p.Code, Status: status, Message: p.Detail, Hint: p.Hint, Suggestions: p.Suggestions}
}

// codeOfStatus is for answers that do not come from a Flow server.
func codeOfStatus(status int) Code {
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return CodeUnauthorized
	case http.StatusForbidden:
		return CodeForbidden
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return CodeUnavailable
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return CodeTimeout
	case http.StatusRequestEntityTooLarge:
		return CodeTooLarge
	}
	if status >= 500 {
		return CodeInternal
	}
	return CodeUnreachable
}
