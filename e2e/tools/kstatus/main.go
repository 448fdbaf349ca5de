// Command kstatus prints the status that kstatus, which Flux and kpt use, computes for each Kubernetes object of a
// JSON array on standard input: a line each with the status, a tabulator and the message.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	var objects []map[string]any
	decoder := json.NewDecoder(os.Stdin)
	if err := decoder.Decode(&objects); err != nil {
		log.Fatal(err)
	}
	for _, object := range objects {
		// Numbers of JSON are floats here, and kstatus reads generations as integers.
		bytes, err := json.Marshal(object)
		if err != nil {
			log.Fatal(err)
		}
		parsed := &unstructured.Unstructured{}
		if err := parsed.UnmarshalJSON(bytes); err != nil {
			log.Fatal(err)
		}
		result, err := status.Compute(parsed)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
	}
}
