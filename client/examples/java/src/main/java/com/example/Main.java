package com.example;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.util.JsonFormat;
import com.tokferry.mparticle.v1.AttributeValue;
import com.tokferry.mparticle.v1.Batch;
import com.tokferry.mparticle.v1.CommerceEvent;
import com.tokferry.mparticle.v1.DeviceInfo;
import com.tokferry.mparticle.v1.Environment;
import com.tokferry.mparticle.v1.Event;
import com.tokferry.mparticle.v1.EventInfo;
import com.tokferry.mparticle.v1.IdentityType;
import com.tokferry.mparticle.v1.Product;
import com.tokferry.mparticle.v1.ProductAction;
import com.tokferry.mparticle.v1.ProductActionType;
import com.tokferry.mparticle.v1.UserIdentity;
import com.tokferry.v1.BatchList;
import com.tokferry.v1.Drop;
import com.tokferry.v1.DropReason;
import com.tokferry.v1.EventResult;
import com.tokferry.v1.ForwardRequest;
import com.tokferry.v1.ForwardTotals;
import com.tokferry.v1.ForwardingServiceGrpc;
import com.tokferry.v1.ForwardingServiceGrpc.ForwardingServiceBlockingStub;
import com.tokferry.v1.Outcome;
import com.tokferry.v1.TransformRequest;
import com.tokferry.v1.TransformedEvent;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** Calls Tokferry: transform [BATCH.json] | forward FILE | stream FILE. */
public final class Main {
  private static final String CONNECTION = variable("TOKFERRY_CONNECTION", "shop");

  private Main() {}

  /** Builds a batch of one purchase. */
  static Batch purchase() {
    ProductAction action =
        ProductAction.newBuilder()
            .setAction(ProductActionType.PRODUCT_ACTION_TYPE_PURCHASE)
            .setTransactionId("order-1")
            .setTotalAmount(19.5)
            .addProducts(Product.newBuilder().setId("sku-1").setPrice(9.75).setQuantity(2))
            .build();
    EventInfo common =
        EventInfo.newBuilder()
            .setTimestampUnixtimeMs(1_790_000_000_000L)
            .setEventId(9_007_199_254_740_993L)
            .putCustomFlags(
                "TikTok.URL",
                AttributeValue.newBuilder()
                    .setStringValue("https://shop.example.com/thanks")
                    .build())
            .build();
    return Batch.newBuilder()
        .setEnvironment(Environment.ENVIRONMENT_PRODUCTION)
        .setIp("203.0.113.7")
        .setDeviceInfo(DeviceInfo.newBuilder().setHttpHeaderUserAgent("ExampleBrowser/1.0"))
        .addUserIdentities(
            UserIdentity.newBuilder()
                .setIdentityType(IdentityType.IDENTITY_TYPE_EMAIL)
                .setIdentity("jane.doe@example.com"))
        .addEvents(
            Event.newBuilder()
                .setCommon(common)
                .setCommerceEvent(
                    CommerceEvent.newBuilder().setCurrencyCode("EUR").setProductAction(action)))
        .build();
  }

  /** Shows what TikTok would get of a typed batch. */
  static void transform(ManagedChannel channel, String file) throws IOException {
    Batch batch = purchase();
    if (!file.isEmpty()) {
      Batch.Builder read = Batch.newBuilder();
      JsonFormat.parser().merge(Files.readString(Path.of(file)), read);
      batch = read.build();
    }
    var request =
        TransformRequest.newBuilder()
            .setConnection(CONNECTION)
            .setBatches(BatchList.newBuilder().addBatches(batch));
    for (var result : stub(channel).transform(request.build()).getResultsList()) {
      for (TransformedEvent event : result.getEventsList()) {
        event.getJson().writeTo(System.out); // UTF-8, whatever this machine's default is
        System.out.println();
      }
      if (result.hasDrop()) {
        String event = eventOf(result.hasEvent(), result.getEvent());
        System.out.println("batch " + unsigned(result.getBatch()) + event + ":"
            + whyDropped(result.getDrop()));
      }
    }
  }

  /** Sends raw mParticle JSON, and says what became of each event. */
  static void forward(ManagedChannel channel, String file) throws IOException {
    ByteString json = ByteString.copyFrom(Files.readAllBytes(Path.of(file)));
    var request = ForwardRequest.newBuilder().setConnection(CONNECTION).setJson(json);
    var answer = stub(channel).forward(request.build());
    for (EventResult result : answer.getResultsList()) {
      System.out.println("batch " + unsigned(result.getBatch()) + outcomeOf(result));
    }
    printTotals(answer.getTotals());
  }

  /** Sends a file of one batch a line, and sums up what became of it. */
  static void stream(ManagedChannel channel, String file)
      throws IOException, InterruptedException {
    ForwardTotals.Builder totals = ForwardTotals.newBuilder();
    try (Chunks chunks = new Chunks(Path.of(file))) {
      Bulk.Answered answered =
          (line, answer) -> {
            add(totals, answer.getTotals());
            for (EventResult result : answer.getResultsList()) {
              switch (result.getOutcome()) {
                case OUTCOME_DELIVERED, OUTCOME_ACCEPTED -> {}
                default -> System.out.println("line " + (line + result.getBatch())
                    + outcomeOf(result));
              }
            }
          };
      new Bulk(channel, CONNECTION, chunks, answered).run();
    }
    printTotals(totals.build());
  }

  /** Names the event; a batch that could not be read has none. */
  static String eventOf(boolean present, int index) {
    return present ? " event " + unsigned(index) : "";
  }

  /** Says what became of an event. Newer servers may know more values of the enums. */
  static String outcomeOf(EventResult result) {
    Outcome outcome = result.getOutcome();
    String name =
        outcome == Outcome.UNRECOGNIZED ? "" + result.getOutcomeValue() : outcome.name();
    return eventOf(result.hasEvent(), result.getEvent())
        + ": "
        + name
        + (result.hasDrop() ? whyDropped(result.getDrop()) : "");
  }

  static String whyDropped(Drop drop) {
    DropReason reason = drop.getReason();
    String name =
        reason == DropReason.UNRECOGNIZED ? "" + drop.getReasonValue() : reason.name();
    return (" " + name + " " + drop.getField()).stripTrailing();
  }

  static void printTotals(ForwardTotals totals) {
    StringBuilder text = new StringBuilder("totals:");
    for (FieldDescriptor field : totals.getDescriptorForType().getFields()) {
      String count = Long.toUnsignedString((Long) totals.getField(field));
      text.append(" ").append(field.getName()).append("=").append(count);
    }
    System.out.println(text);
  }

  static void add(ForwardTotals.Builder sum, ForwardTotals more) {
    more.getAllFields()
        .forEach((field, count) ->
            sum.setField(field, (Long) sum.getField(field) + (Long) count));
  }

  private static ForwardingServiceBlockingStub stub(ManagedChannel channel) {
    return ForwardingServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(Connection.DEADLINE_SECONDS, TimeUnit.SECONDS);
  }

  private static String unsigned(int number) {
    return Integer.toUnsignedString(number);
  }

  private static String variable(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  private static void run(String command, String file) throws IOException, InterruptedException {
    ManagedChannel channel =
        Connection.open(
            variable("TOKFERRY_TARGET", "localhost:50051"),
            variable("TOKFERRY_CA", ""),
            variable("TOKFERRY_TOKEN", ""));
    try {
      switch (command) {
        case "transform" -> transform(channel, file);
        case "forward" -> forward(channel, file);
        case "stream" -> stream(channel, file);
        default ->
            throw new IOException("usage: transform [BATCH.json] | forward FILE | stream FILE");
      }
    } finally {
      channel.shutdownNow();
    }
  }

  /** Runs one command; exit code 1 if the call failed. */
  public static void main(String[] arguments) throws InterruptedException {
    try {
      run(arguments.length > 0 ? arguments[0] : "", arguments.length > 1 ? arguments[1] : "");
    } catch (StatusRuntimeException error) {
      System.err.println(Failure.decode(error));
      System.exit(1);
    } catch (IOException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }
}
