package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// failure is what a failed call tells about itself.
type failure struct {
	status     *status.Status
	reason     string // a name of ErrorReason without its prefix; empty if not the server's
	metadata   map[string]string
	violations []*errdetails.BadRequest_FieldViolation
	quotas     []*errdetails.QuotaFailure_Violation
	retryAfter time.Duration
}

// decode reads the rich details of an error.
func decode(err error) failure {
	found := failure{status: status.Convert(err)}
	for _, detail := range found.status.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.reason, found.metadata = detail.GetReason(), detail.GetMetadata()
		case *errdetails.BadRequest:
			found.violations = detail.GetFieldViolations()
		case *errdetails.QuotaFailure:
			found.quotas = detail.GetViolations()
		case *errdetails.RetryInfo:
			found.retryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	return found
}

func (f failure) String() string {
	var text strings.Builder
	text.WriteString(code.Code(f.status.Code()).String())
	if f.reason != "" {
		text.WriteString(" " + f.reason)
	}
	text.WriteString(": " + f.status.Message())
	for _, one := range f.violations {
		fmt.Fprintf(&text, "\n  %s: %s", one.GetField(), one.GetDescription())
	}
	for _, one := range f.quotas {
		fmt.Fprintf(&text, "\n  %s: %s", one.GetSubject(), one.GetDescription())
	}
	for _, name := range slices.Sorted(maps.Keys(f.metadata)) {
		fmt.Fprintf(&text, "\n  %s = %s", name, f.metadata[name])
	}
	if f.retryAfter > 0 {
		fmt.Fprintf(&text, "\n  retry after %g s", f.retryAfter.Seconds())
	}
	return text.String()
}
