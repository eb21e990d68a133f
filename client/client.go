package client

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elasticcode/flow/model"
)

// DefaultServer is where a server listens when nothing else was said.
const DefaultServer = "http://127.0.0.1:8700"

// DefaultTimeout ends a request that was given no shorter time by its context.
const DefaultTimeout = 30 * time.Second

// Config says which server to speak to, and as whom.
type Config struct {
	// Server is the server's URL; "host:port" means http. Empty is DefaultServer.
	Server string
	// Token is the secret that says who is calling ("flow_…").
	Token string
	// Network is the network that names belong to. Empty is model.DefaultNetwork.
	Network string
	// HTTP sends the requests. nil makes one that keeps connections alive. Its
	// own Timeout should be 0: the client sets a deadline on every request.
	HTTP *http.Client
	// UserAgent is sent with every request. Empty is "flow-client".
	UserAgent string
	// Timeout ends a request; 0 is DefaultTimeout. Time to wait that is part of
	// a request (SubmitWait, Result, Plan) is added to it.
	Timeout time.Duration
}

// Client speaks to one server about one network. It may be used by many
// goroutines at the same time; it opens no connection before the first request.
type Client struct {
	base    *url.URL
	baseErr error // why base is unusable; given by the first request
	token   string
	network string
	agent   string
	timeout time.Duration
	http    *http.Client
}

// New returns a client. A server URL that cannot be understood is reported by
// the first request.
func New(c Config) *Client {
	out := &Client{
		token: c.Token, network: c.Network, agent: c.UserAgent, timeout: c.Timeout, http: c.HTTP,
	}
	out.base, out.baseErr = parseServer(c.Server)
	if out.network == "" {
		out.network = model.DefaultNetwork
	}
	if out.agent == "" {
		out.agent = "flow-client"
	}
	if out.timeout <= 0 {
		out.timeout = DefaultTimeout
	}
	if out.http == nil {
		out.http = &http.Client{Transport: newTransport()}
	}
	return out
}

// In returns a client for another network that shares this one's connections.
func (c *Client) In(network string) *Client {
	out := *c
	out.network = network
	if network == "" {
		out.network = model.DefaultNetwork
	}
	return &out
}

// Network is the network that the client's names belong to.
func (c *Client) Network() string { return c.network }

// Server is the URL of the server that the client speaks to, without a password.
func (c *Client) Server() string {
	if c.base == nil {
		return ""
	}
	return c.base.Redacted()
}

// Close closes the connections that are kept for the next request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	// Many goroutines of one program speak to one server: without this all but
	// two of their connections would be closed after every request.
	t.MaxIdleConnsPerHost = 64
	t.ResponseHeaderTimeout = 0 // long polls answer late; requests have deadlines instead
	return t
}

func parseServer(s string) (*url.URL, error) {
	if s == "" {
		s = DefaultServer
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// The text itself may hold a password: it is not repeated.
		return nil, &Error{
			Code: CodeUsage, Message: "the address of the Flow server is not a URL",
			Hint: "write it as http://HOST:PORT, in --server or FLOW_SERVER",
		}
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}
