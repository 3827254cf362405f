package v1beta1

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/utils/ptr"
)

// logOptions are the query parameters that the log takes; genericOptions are those that every request may have.
var (
	logOptions     = []string{"partition", "offset", "since", "tail", "limit", "follow", "output"}
	genericOptions = []string{"timeout", "pretty"}
)

// Convert_url_Values_To_v1beta1_KafkaTopicLogOptions reads query parameters. It is written by hand because the generated
// conversion takes any text for true, says of a number only that it is none, and passes over options that do not exist.
func Convert_url_Values_To_v1beta1_KafkaTopicLogOptions(in *url.Values, out *KafkaTopicLogOptions, _ conversion.Scope) error {
	for name, values := range *in {
		switch {
		case slices.Contains(genericOptions, name):
		case !slices.Contains(logOptions, name):
			return fmt.Errorf("unknown option %q: accepted are %s", name, strings.Join(logOptions, ", "))
		case len(values) > 1:
			return fmt.Errorf("option %q: given %d times; accepted is once", name, len(values))
		}
	}
	partition, err := numberOption(in, "partition", 32, 0)
	if err != nil {
		return err
	}
	if partition != nil {
		out.Partition = ptr.To(int32(*partition))
	}
	if out.Tail, err = numberOption(in, "tail", 64, 0); err != nil {
		return err
	}
	if out.Limit, err = numberOption(in, "limit", 64, 1); err != nil {
		return err
	}
	switch follow := in.Get("follow"); follow {
	case "":
		// As in "?follow".
		out.Follow = in.Has("follow")
	case "true", "1":
		out.Follow = true
	case "false", "0":
	default:
		return fmt.Errorf("option %q: %q; accepted are true and false", "follow", follow)
	}
	out.Offset, out.Since, out.Output = in.Get("offset"), in.Get("since"), in.Get("output")
	return nil
}

// numberOption reads a number that is to be from least on. Whether it is 0 where that is not accepted is judged with the others.
func numberOption(in *url.Values, name string, bits, least int) (*int64, error) {
	if !in.Has(name) {
		return nil, nil
	}
	n, err := strconv.ParseInt(in.Get(name), 10, bits)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("option %q: %q; accepted is a whole number from %d on", name, in.Get(name), least)
	}
	return &n, nil
}
