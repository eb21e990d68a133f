package root

import "github.com/spf13/cobra"

// topic marks a command that is only a text to read.
const topic = "flow_help_topic"

func topics() []*cobra.Command {
	return []*cobra.Command{
		newTopic("exit-codes", "What the exit codes mean", exitCodes),
		newTopic("environment", "Environment variables and files", environment),
		newTopic("values", "How to write values for a call", values),
	}
}

func newTopic(name, short, text string) *cobra.Command {
	return &cobra.Command{Use: name, Short: short, Long: text, Annotations: map[string]string{topic: "true"}, DisableFlagParsing: true, Run: help}
}

const exitCodes = `The exit codes of flow:

    0  it is done
    1  something went wrong
    2  the command line, or what it says, is wrong
    3  nothing has that name or id
    4  no token, a token that is not valid, or not enough rights
    5  the name is taken, or the object is in use
    6  the server, or the broker or database behind it, cannot be reached
    7  it took longer than it may
    8  the call ran and failed: its error is on stderr
  130  interrupted (Ctrl-C)

An error is told on stderr in up to three lines: what went wrong and why, what
was perhaps meant, and what to do next.`

const environment = `Which server to speak to, as whom, and about which network is taken from the
first place that says so:

  1. the options --server, --token-file, --network
  2. the variables FLOW_SERVER, FLOW_TOKEN, FLOW_NETWORK
  3. the context that --context or FLOW_CONTEXT names, else the current one, in
     $XDG_CONFIG_HOME/flow/config.json (~/.config/flow/config.json)
  4. http://127.0.0.1:8700, and the network "default"

"flow up" and "flow --config" write the context file; "flow context show" shows
what is used and where it came from. A token of the file is only sent to the
server of the same context.

Colours are shown on a terminal. NO_COLOR or --color never turns them off,
CLICOLOR_FORCE=1 or --color always turns them on.`

const values = `A value on the command line (flow task run --data) is read like this:

  ['some data']     begins with [ or {: a list or object, in JSON or in YAML's
  {one: 1}          flow style; if it is neither, that is an error
  42  -1.5  true  null  "text"
                    JSON, as it looks
  'text'            text
  @FILE             what is in the file, read by the same rules; @- is stdin
  @@text            text that begins with an @
  hello: world      all else is text

Text that begins with [ or { is written as a JSON string: '"[like this"'. What
comes on stdin without @- is always text; one newline at its end is taken off.`
