package shell

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/frame"
	"github.com/elasticcode/flow/processor/procgroup"
)

// FailureExit is the type of the failure of a file that exits with another status than 0.
const FailureExit = "ExitStatus"

// outputGrace is how long the outputs are read after the file has ended, should
// something that left its process group hold them open.
const outputGrace = 2 * time.Second

// run runs one call to its end.
func (s *process) run(inv processor.Invocation) processor.Reply {
	reply := processor.Reply{ID: inv.ID, Started: time.Now().UTC()}
	r := &oneRun{process: s, inv: inv}
	value, plugs, failure := r.do()
	reply.Finished, reply.Log, reply.Failure = time.Now().UTC(), r.log.Lines(), failure
	if failure == nil {
		reply.Value, reply.Plugs = value, plugs
	}
	return reply
}

// oneRun is one run of a file.
type oneRun struct {
	process *process
	inv     processor.Invocation
	log     frame.CallLog // only used by the reader of standard error, and when that has ended
	stderr  []string      // its last lines
	stdout  []byte
	tooLong bool
}

func (r *oneRun) do() (json.RawMessage, map[string]json.RawMessage, *model.Failure) {
	path, ok := r.process.program.files[r.inv.Function]
	if !ok {
		return nil, nil, &model.Failure{
			Error: model.FailureNoTask, Permanent: true,
			Message: fmt.Sprintf("folder %s has no executable file %s: it has %s",
				r.process.program.spec.Module, r.inv.Function, strings.Join(r.process.program.names(), ", ")),
		}
	}
	plugsFile, err := emptyFile()
	if err != nil {
		return nil, nil, &model.Failure{Error: "StartFailed", Message: fmt.Sprintf("cannot make a temporary file: %v", err)}
	}
	defer func() { _ = os.Remove(plugsFile) }()
	cmd, stdin, err := r.command(path, plugsFile)
	if err != nil {
		return nil, nil, &model.Failure{Error: "StartFailed", Message: err.Error(), Permanent: true}
	}
	exit, err := r.execute(cmd, stdin)
	if err != nil {
		return nil, nil, &model.Failure{
			Error: "StartFailed", Permanent: true,
			Message: fmt.Sprintf("cannot start %s: %v: check its first line and that the program it names is installed", r.inv.Function, err),
		}
	}
	switch {
	case r.tooLong:
		return nil, nil, tooLarge("standard output is")
	case exit != nil:
		return nil, nil, &model.Failure{Error: FailureExit, Message: frame.Exit(exit), Trace: strings.Join(r.stderr, "\n")}
	}
	plugs, failure := readPlugs(plugsFile, len(r.stdout))
	if failure != nil {
		return nil, nil, failure
	}
	return result(r.stdout), plugs, nil
}

func emptyFile() (string, error) {
	f, err := os.CreateTemp("", "flow-plugs-")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func tooLarge(what string) *model.Failure {
	return &model.Failure{
		Error: model.FailureTooLarge, Permanent: true,
		Message: fmt.Sprintf("%s over the limit of %d bytes: print a reference to where the data is", what, model.MaxPayload),
	}
}

// command makes the command of the call and what it reads from standard input.
func (r *oneRun) command(path, plugsFile string) (*exec.Cmd, []byte, error) {
	input := struct {
		Args   []json.RawMessage          `json:"args"`
		Kwargs map[string]json.RawMessage `json:"kwargs"`
	}{r.inv.Args, r.inv.Kwargs}
	if input.Args == nil {
		input.Args = []json.RawMessage{}
	}
	if input.Kwargs == nil {
		input.Kwargs = map[string]json.RawMessage{}
	}
	stdin, err := encode(input)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the arguments: %w", err)
	}
	words, why := words(r.inv)
	if why != "" {
		r.log.Add(time.Now().UTC(), frame.Stderr, "[the arguments are only on standard input: "+why+"]")
	}
	cmd := exec.Command(path, words...)
	cmd.Dir = r.process.program.spec.Dir
	cmd.Env = procgroup.Environment(
		"FLOW_CALL_ID="+r.inv.ID, "FLOW_ATTEMPT="+strconv.Itoa(r.inv.Attempt), "FLOW_TRACKING="+r.inv.Tracking,
		"FLOW_SOCKET="+r.inv.Socket, "FLOW_FUNCTION="+r.inv.Function, "FLOW_PLUGS_FILE="+plugsFile,
	)
	return cmd, stdin, nil
}

// maxWords is how much can safely be passed as words: Linux refuses a single
// word over 128 KiB.
const maxWords = 96 << 10

// words are the arguments as words, or why there are none.
func words(inv processor.Invocation) (words []string, why string) {
	for _, a := range inv.Args {
		words = append(words, word(a))
	}
	names := make([]string, 0, len(inv.Kwargs))
	for name := range inv.Kwargs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		words = append(words, "--"+name+"="+word(inv.Kwargs[name]))
	}
	size := 0
	for _, w := range words {
		if size += len(w) + 1; strings.ContainsRune(w, 0) {
			return nil, "one of them contains a zero byte"
		}
	}
	if size > maxWords {
		return nil, fmt.Sprintf("as words they have more than %d bytes", maxWords)
	}
	return words, ""
}

// word is a string as it is and anything else as JSON.
func word(value json.RawMessage) string {
	var s string
	if len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// execute starts the command and serves its pipes until it has ended. err says
// that it did not start, exit how it ended.
func (r *oneRun) execute(cmd *exec.Cmd, input []byte) (exit, err error) {
	var files []*os.File
	pipe := func() (*os.File, *os.File) {
		pr, pw, perr := os.Pipe()
		if err = errors.Join(err, perr); perr == nil {
			files = append(files, pr, pw)
		}
		return pr, pw
	}
	stdinR, stdinW := pipe()
	stdoutR, stdoutW := pipe()
	stderrR, stderrW := pipe()
	defer func() {
		for _, f := range files {
			_ = f.Close() // some are closed already, and say so
		}
	}()
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdinR, stdoutW, stderrW
	group, err := r.start(cmd)
	for _, f := range []*os.File{stdinR, stdoutW, stderrW} {
		_ = f.Close()
	}
	if err != nil {
		return nil, err
	}
	var served sync.WaitGroup
	served.Go(func() {
		_, _ = stdinW.Write(input) // a file that does not read its input is fine
		_ = stdinW.Close()
	})
	served.Go(func() { r.readStdout(stdoutR, group) })
	served.Go(func() { r.readStderr(stderrR) })
	exit = group.Wait()
	limit := time.Now().Add(outputGrace)
	_ = stdoutR.SetReadDeadline(limit)
	_ = stderrR.SetReadDeadline(limit)
	_ = stdinW.SetWriteDeadline(time.Now())
	served.Wait()
	r.process.setGroup(nil)
	return exit, nil
}

// A checkout that was made this instant may be open for writing still in a
// child that another goroutine is just forking; it closes when that one execs.
const (
	busyTries = 50
	busyPause = 10 * time.Millisecond
)

func (r *oneRun) start(cmd *exec.Cmd) (*procgroup.Group, error) {
	for try := 1; ; try++ {
		again := *cmd // a command starts once
		group, err := procgroup.StartSparing(&again, r.process.mark.Part())
		if errors.Is(err, syscall.ETXTBSY) && try < busyTries {
			time.Sleep(busyPause)
			continue
		}
		if err == nil {
			r.process.setGroup(group)
		}
		return group, err
	}
}

// setGroup says which group Kill kills; when it was called meanwhile, that is now.
func (s *process) setGroup(g *procgroup.Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.group = g
	if g != nil && s.killed {
		g.Kill()
	}
}

func (r *oneRun) readStdout(f *os.File, group *procgroup.Group) {
	var buf bytes.Buffer
	_, _ = io.Copy(&buf, io.LimitReader(f, model.MaxPayload+1))
	if buf.Len() > model.MaxPayload {
		r.tooLong = true
		group.Kill()
		return
	}
	r.stdout = buf.Bytes()
}

// lastLines is how many lines of standard error are the trace of a failure.
const lastLines = 30

// maxLine is where a line without end is split.
const maxLine = 64 << 10

func (r *oneRun) readStderr(f *os.File) {
	in := bufio.NewReaderSize(f, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			text := strings.TrimRight(string(line), "\r\n")
			r.log.Add(time.Now().UTC(), frame.Stderr, text)
			if len(r.stderr) == lastLines {
				r.stderr = r.stderr[1:]
			}
			r.stderr = append(r.stderr, strings.ToValidUTF8(text[:min(len(text), 2000)], "\uFFFD"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// result reads standard output as a JSON value, or as text.
func result(out []byte) json.RawMessage {
	trimmed := bytes.TrimSpace(out)
	if len(trimmed) == 0 {
		return json.RawMessage("null")
	}
	if json.Valid(trimmed) {
		return json.RawMessage(trimmed)
	}
	text := strings.ToValidUTF8(strings.TrimRight(string(out), "\r\n"), "\uFFFD")
	value, _ := encode(text) // a string always encodes
	return value
}

// encode is json.Marshal without writing <, > and & in another form, which
// would surprise who reads standard input without a JSON parser.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// readPlugs reads the plugs that the file chose.
func readPlugs(path string, size int) (map[string]json.RawMessage, *model.Failure) {
	info, err := os.Stat(path)
	switch {
	case err != nil: // removed: nothing is chosen
		return nil, nil
	case size+int(info.Size()) > model.MaxPayload:
		return nil, tooLarge("standard output and the file of plugs together are")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, &model.Failure{Error: model.FailureResult, Message: fmt.Sprintf("cannot read FLOW_PLUGS_FILE: %v", err)}
	}
	var plugs map[string]json.RawMessage
	for i, line := range strings.Split(string(content), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !json.Valid([]byte(value)) {
			return nil, &model.Failure{
				Error: model.FailureResult, Permanent: true,
				Message: fmt.Sprintf("line %d of FLOW_PLUGS_FILE is not NAME=JSON: %.80q", i+1, line),
			}
		}
		if plugs == nil {
			plugs = map[string]json.RawMessage{}
		}
		plugs[strings.TrimSpace(name)] = json.RawMessage(value)
	}
	return plugs, nil
}
