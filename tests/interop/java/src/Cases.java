package kfake.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** What the Java programs here have in common: cases that are reported a line each, as cargo xtask interop reads them. */
final class Cases {
    /** So long that a hang is a failure. Nothing waits as long as this when all is well. */
    static final Duration LIMIT = Duration.ofSeconds(30);
    static final String SERVERS = System.getenv("KFAKE_BOOTSTRAP");
    static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));
    static int number;

    interface Case {
        void run() throws Exception;
    }

    static String fresh(String what) {
        number++;
        return what + "-" + number;
    }

    static void same(String what, Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError(what + ": got " + got + ", not " + wanted);
        }
    }

    static <T> T within(Future<T> future) throws Exception {
        try {
            return future.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            throw error.getCause() instanceof Exception cause ? cause : error;
        }
    }

    static void ask(String what, String answer) throws Exception {
        System.out.println("cluster " + what);
        same("the answer to cluster " + what, INPUT.readLine(), answer);
    }

    static void expect(Class<? extends Exception> wanted, Case work) throws Exception {
        try {
            work.run();
        } catch (Exception error) {
            Throwable found = error instanceof ExecutionException ? error.getCause() : error;
            if (wanted.isInstance(found)) {
                return;
            }
            throw error;
        }
        throw new AssertionError("no " + wanted.getSimpleName());
    }

    /** Runs the cases, all or those that are named. */
    static void run(Map<String, Case> cases, String[] names) {
        cases.forEach((name, work) -> {
            if (names.length > 0 && !Arrays.asList(names).contains(name)) {
                return;
            }
            try {
                work.run();
                System.out.println("ok " + name);
            } catch (Exception | AssertionError error) {
                error.printStackTrace();
                System.out.println("not ok " + name + ": " + error.toString().replaceAll("\\s+", " "));
            }
        });
    }
}
