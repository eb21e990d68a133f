package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/elasticcode/flow/client"
)

// Call a function and wait for what it returns.
func Example() {
	c := client.New(client.Config{Server: "http://127.0.0.1:8700", Token: os.Getenv("FLOW_TOKEN")})
	defer c.Close()

	out, err := c.SubmitWait(context.Background(), client.Submission{
		Socket: "pyfi.processors.sample.do_this",
		Args:   []json.RawMessage{json.RawMessage(`"some data"`)},
	}, time.Minute)
	switch {
	case err != nil:
		fmt.Println(err)
	case out.Failure != nil:
		fmt.Println(out.Failure.Error, out.Failure.Message)
	default:
		fmt.Println(string(out.Result))
	}
}

// Declare a processor and hear what happens.
func ExampleClient_Events() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := client.New(client.Config{})
	defer c.Close()

	_, err := c.CreateProcessor(ctx, client.ProcessorInput{
		Name: "proc1", GitRepo: "https://github.com/example/processors", Module: "pyfi.processors.sample", Concurrency: 2,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = c.Events(ctx, client.EventFilter{Pattern: "*.proc1.task"}, func(e client.Event) error {
		fmt.Println(e.Channel, string(e.Data))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
}
