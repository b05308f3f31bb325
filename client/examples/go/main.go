// Calls Tokferry: transform [BATCH.json] | forward FILE | stream FILE.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	mparticlev1 "example.com/tokferry-example/gen/tokferry/mparticle/v1"
	tokferryv1 "example.com/tokferry-example/gen/tokferry/v1"
)

var connection = cmp.Or(os.Getenv("TOKFERRY_CONNECTION"), "shop")

// purchase builds a batch of one purchase. Every scalar is optional, hence a pointer.
func purchase() *mparticlev1.Batch {
	action := &mparticlev1.ProductAction{
		Action:        mparticlev1.ProductActionType_PRODUCT_ACTION_TYPE_PURCHASE.Enum(),
		TransactionId: proto.String("order-1"),
		TotalAmount:   proto.Float64(19.5),
		Products: []*mparticlev1.Product{{
			Id: proto.String("sku-1"), Price: proto.Float64(9.75), Quantity: proto.Float64(2),
		}},
	}
	page := &mparticlev1.AttributeValue{
		Value: &mparticlev1.AttributeValue_StringValue{StringValue: "https://shop.example.com/thanks"},
	}
	event := &mparticlev1.Event{
		Common: &mparticlev1.EventInfo{
			TimestampUnixtimeMs: proto.Int64(1_790_000_000_000),
			EventId:             proto.Int64(9_007_199_254_740_993),
			CustomFlags:         map[string]*mparticlev1.AttributeValue{"TikTok.URL": page},
		},
		Data: &mparticlev1.Event_CommerceEvent{CommerceEvent: &mparticlev1.CommerceEvent{
			CurrencyCode: proto.String("EUR"), ProductAction: action,
		}},
	}
	return &mparticlev1.Batch{
		Environment: mparticlev1.Environment_ENVIRONMENT_PRODUCTION.Enum(),
		Ip:          proto.String("203.0.113.7"),
		DeviceInfo: &mparticlev1.DeviceInfo{
			HttpHeaderUserAgent: proto.String("ExampleBrowser/1.0"),
		},
		UserIdentities: []*mparticlev1.UserIdentity{{
			IdentityType: mparticlev1.IdentityType_IDENTITY_TYPE_EMAIL.Enum(),
			Identity:     proto.String("jane.doe@example.com"),
		}},
		Events: []*mparticlev1.Event{event},
	}
}

// transform shows what TikTok would get of a typed batch.
func transform(ctx context.Context, client tokferryv1.ForwardingServiceClient, file string) error {
	batch := purchase()
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		batch = &mparticlev1.Batch{}
		if err := protojson.Unmarshal(text, batch); err != nil {
			return err
		}
	}
	list := &tokferryv1.BatchList{Batches: []*mparticlev1.Batch{batch}}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	answer, err := client.Transform(ctx, &tokferryv1.TransformRequest{
		Connection: connection, Input: &tokferryv1.TransformRequest_Batches{Batches: list},
	})
	if err != nil {
		return err
	}
	for _, result := range answer.GetResults() {
		for _, event := range result.GetEvents() {
			fmt.Println(string(event.GetJson()))
		}
		if result.GetDrop() != nil {
			where := fmt.Sprintf("batch %d%s", result.GetBatch(), eventOf(result.Event))
			fmt.Println(where + ":" + whyDropped(result.GetDrop()))
		}
	}
	return nil
}

// forward sends raw mParticle JSON, and says what became of each event.
func forward(ctx context.Context, client tokferryv1.ForwardingServiceClient, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	answer, err := client.Forward(ctx, &tokferryv1.ForwardRequest{
		Connection: connection, Input: &tokferryv1.ForwardRequest_Json{Json: text},
	})
	if err != nil {
		return err
	}
	for _, result := range answer.GetResults() {
		fmt.Printf("batch %d%s: %s\n", result.GetBatch(), eventOf(result.Event), outcomeOf(result))
	}
	printTotals(answer.GetTotals())
	return nil
}

// stream sends a file of one batch a line, and sums up what became of it.
func stream(ctx context.Context, client tokferryv1.ForwardingServiceClient, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	totals := &tokferryv1.ForwardTotals{}
	delivery := &bulk{
		client:  client,
		options: &tokferryv1.StreamOptions{Connection: connection},
		lines:   newChunker(file),
		answered: func(line int, result *tokferryv1.ChunkResult) {
			add(totals, result.GetTotals())
			for _, one := range result.GetResults() {
				switch one.GetOutcome() {
				case tokferryv1.Outcome_OUTCOME_DELIVERED, tokferryv1.Outcome_OUTCOME_ACCEPTED:
				default:
					at := line + int(one.GetBatch())
					fmt.Printf("line %d%s: %s\n", at, eventOf(one.Event), outcomeOf(one))
				}
			}
		},
	}
	if err := delivery.run(ctx); err != nil {
		return err
	}
	printTotals(totals)
	return nil
}

// eventOf names the event; a batch that could not be read has none.
func eventOf(index *uint32) string {
	if index == nil {
		return ""
	}
	return fmt.Sprintf(" event %d", *index)
}

// outcomeOf says what became of an event, and why if it was dropped. A value that a
// newer server has is named by its number.
func outcomeOf(result *tokferryv1.EventResult) string {
	return result.GetOutcome().String() + whyDropped(result.GetDrop())
}

func whyDropped(drop *tokferryv1.Drop) string {
	if drop == nil {
		return ""
	}
	return strings.TrimRight(" "+drop.GetReason().String()+" "+drop.GetField(), " ")
}

func printTotals(totals *tokferryv1.ForwardTotals) {
	message := totals.ProtoReflect()
	text := "totals:"
	for index := range message.Descriptor().Fields().Len() {
		field := message.Descriptor().Fields().Get(index)
		text += fmt.Sprintf(" %s=%d", field.Name(), message.Get(field).Uint())
	}
	fmt.Println(text)
}

func add(sum, more *tokferryv1.ForwardTotals) {
	message := sum.ProtoReflect()
	more.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		message.Set(field, protoreflect.ValueOfUint64(message.Get(field).Uint()+value.Uint()))
		return true
	})
}

func run(arguments []string) error {
	commands := map[string]func(context.Context, tokferryv1.ForwardingServiceClient, string) error{
		"transform": transform, "forward": forward, "stream": stream,
	}
	arguments = append(arguments, "", "")
	command, file := commands[arguments[0]], arguments[1]
	if command == nil {
		return errors.New("usage: transform [BATCH.json] | forward FILE | stream FILE")
	}
	token := os.Getenv("TOKFERRY_TOKEN")
	target := cmp.Or(os.Getenv("TOKFERRY_TARGET"), "localhost:50051")
	channel, err := connect(target, os.Getenv("TOKFERRY_CA"), token)
	if err != nil {
		return err
	}
	defer channel.Close()
	client := tokferryv1.NewForwardingServiceClient(channel)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return command(ctx, client, file)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		if _, isStatus := status.FromError(err); isStatus {
			fmt.Fprintln(os.Stderr, decode(err))
		} else {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}
