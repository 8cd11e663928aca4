import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;

/**
 * Release.java: writes what a broker of one release of Apache Kafka offers, on one line: `KEY:MIN-MAX …`, then `|`, then
 * `NAME:MIN-MAX:FINALIZED …` for its features. Its class path is that release's kafka-clients, and from 3.3 on
 * kafka-server-common.
 *
 * Everything is asked by reflection, because names have changed between 0.11 and 4. Up to 3.2 the broker is one with ZooKeeper;
 * from 3.3 on, the first release in which KRaft was ready for production, it is one with KRaft, whose features are those
 * of a newly formatted cluster.
 */
public class Release {
    public static void main(String[] arguments) throws Exception {
        System.out.println(String.join(" ", apis()) + " | " + String.join(" ", features()));
    }

    private static List<String> apis() throws Exception {
        Class<?> keys = Class.forName("org.apache.kafka.common.protocol.ApiKeys");
        TreeMap<Short, String> apis = new TreeMap<>();
        for (Object key : ofBrokers(keys)) {
            short id = keys.getField("id").getShort(key);
            short oldest = ((Number) keys.getMethod("oldestVersion").invoke(key)).shortValue();
            short latest;
            try {
                // Without the versions that are not stable yet.
                latest = ((Number) keys.getMethod("latestVersion", boolean.class).invoke(key, false)).shortValue();
            } catch (NoSuchMethodException older) {
                latest = ((Number) keys.getMethod("latestVersion").invoke(key)).shortValue();
            }
            if (oldest <= latest) {
                apis.put(id, id + ":" + oldest + "-" + latest);
            }
        }
        return new ArrayList<>(apis.values());
    }

    private static Collection<?> ofBrokers(Class<?> keys) throws Exception {
        try {
            Class<?> listeners = Class.forName("org.apache.kafka.common.message.ApiMessageType$ListenerType");
            Object listener = null;
            for (Object type : listeners.getEnumConstants()) {
                String wanted = hasKRaft() ? "BROKER" : "ZK_BROKER";
                if (type.toString().equals(wanted)) {
                    listener = type;
                }
            }
            return (Collection<?>) keys.getMethod("apisForListener", listeners).invoke(null, listener);
        } catch (ClassNotFoundException older) {
            try {
                // 2.6 and 2.7.
                return (Collection<?>) keys.getMethod("enabledApis").invoke(null);
            } catch (NoSuchMethodException older_still) {
                return List.of(keys.getEnumConstants());
            }
        }
    }

    private static boolean hasKRaft() {
        try {
            Class.forName("org.apache.kafka.server.common.MetadataVersion");
            return true;
        } catch (ClassNotFoundException zookeeper) {
            return false;
        }
    }

    private static List<String> features() throws Exception {
        TreeMap<String, String> features = new TreeMap<>();
        if (!hasKRaft()) {
            return new ArrayList<>();
        }
        Class<?> metadata = Class.forName("org.apache.kafka.server.common.MetadataVersion");
        Object latest = first(metadata, "latestProduction", "latest");
        Object least = constant(metadata, "MINIMUM_VERSION", "MINIMUM_KRAFT_VERSION");
        int level = level(latest);
        features.put("metadata.version", "metadata.version:" + level(least) + "-" + level + ":" + level);
        Class<?> others;
        try {
            others = Class.forName("org.apache.kafka.server.common.Feature");
        } catch (ClassNotFoundException older) {
            try {
                others = Class.forName("org.apache.kafka.server.common.Features");
            } catch (ClassNotFoundException none) {
                return new ArrayList<>(features.values());
            }
        }
        Collection<?> production;
        try {
            production = (Collection<?>) others.getField("PRODUCTION_FEATURES").get(null);
        } catch (NoSuchFieldException older) {
            return new ArrayList<>(features.values());
        }
        for (Object feature : production) {
            String name = (String) others.getMethod("featureName").invoke(feature);
            int max = ((Number) others.getMethod("latestProduction").invoke(feature)).intValue();
            int min = ((Number) others.getMethod("minimumProduction").invoke(feature)).intValue();
            Method defaults;
            try {
                defaults = others.getMethod("defaultLevel", metadata);
            } catch (NoSuchMethodException older) {
                defaults = others.getMethod("defaultValue", metadata);
            }
            // Voters that are named in the configuration, as those of the oracle are, leave kraft.version at 0.
            boolean is_raft = name.equals("kraft.version");
            int given = is_raft ? 0 : ((Number) defaults.invoke(feature, latest)).intValue();
            if (max > 0) {
                features.put(name, name + ":" + min + "-" + max + ":" + given);
            }
        }
        return new ArrayList<>(features.values());
    }

    private static int level(Object version) throws Exception {
        return ((Number) version.getClass().getMethod("featureLevel").invoke(version)).intValue();
    }

    private static Object first(Class<?> type, String... methods) throws Exception {
        for (String method : methods) {
            try {
                return type.getMethod(method).invoke(null);
            } catch (NoSuchMethodException next) {
                // The next name.
            }
        }
        throw new NoSuchMethodException(String.join(", ", methods));
    }

    private static Object constant(Class<?> type, String... names) throws Exception {
        for (String name : names) {
            try {
                return type.getField(name).get(null);
            } catch (NoSuchFieldException next) {
                // The next name.
            }
        }
        throw new NoSuchFieldException(String.join(", ", names));
    }
}
