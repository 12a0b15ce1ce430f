import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** What both programs need: to say what is wrong, and ways to wait for events. */
final class Shared {
  static void same(Object wanted, Object found) {
    if (!Objects.equals(wanted, found)) throw new AssertionError("wanted " + wanted + ", found " + found);
  }

  static void holds(boolean what, Object found) {
    if (!what) throw new AssertionError("not so: " + found);
  }

  /** That this fails, with these words in what it says. */
  static void fails(String words, Runnable action) {
    try {
      action.run();
    } catch (RuntimeException error) {
      holds(String.valueOf(error.getMessage()).contains(words), error);
      return;
    }
    throw new AssertionError("did not fail: " + words);
  }

  /** Waits for states that the server tells nobody of by itself. */
  static void until(String what, BooleanSupplier probe) throws InterruptedException {
    for (int turn = 0; turn < 3000; turn++) {
      if (probe.getAsBoolean()) return;
      Thread.sleep(10);
    }
    throw new AssertionError("never came: " + what);
  }

  /** What other threads tell, in order. */
  static final class Mailbox {
    private final BlockingQueue<String> letters = new LinkedBlockingQueue<>();

    void put(String... words) {
      letters.add(String.join(" ", words));
    }

    void next(String wanted) throws InterruptedException {
      same(wanted, letters.poll(30, TimeUnit.SECONDS));
    }
  }

  private Shared() {}
}
