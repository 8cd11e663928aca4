import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.QuotaConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * {@code java Configs.java table|docs}: Apache Kafka's own definitions of its configurations, as text. A line is a configuration,
 * its columns separated by tabs:
 *
 * <pre>
 * kind      B broker, T topic, G group, C client metrics, U quotas of users and clients, I quotas of addresses, R quotas of
 *           replication, which brokers have without their being broker configurations
 * name
 * type      as ConfigDef.Type
 * default   =value, - for null, ! where a value must be given
 * scope     r read-only, c cluster-wide or for one broker, p for one broker alone; i: not shown
 * check     - none; range LEAST MOST (* unbounded); level LEAST MOST BESIDES; in WORDS; ignorecase WORDS; nonempty; nonnull;
 *           list [e][n] WORDS (may be empty, may be null; any words where none are named); replicas; reset
 * synonym   the broker configuration that a topic or a group falls back to, or -
 * place     among the configurations of its kind, as they are defined: values are checked in this order
 * </pre>
 *
 * {@code docs} writes kind, name and documentation, with \n for a new line.
 */
public class Configs {
    public static void main(String[] arguments) throws Exception {
        boolean docs = arguments[0].equals("docs");
        Map<String, String> dynamic = DynamicBrokerConfig.dynamicConfigUpdateModes();
        for (ConfigDef.ConfigKey key : sorted(AbstractKafkaConfig.CONFIG_DEF)) {
            String mode = dynamic.getOrDefault(key.name, "read-only");
            write(docs, "B", key, mode.substring(0, 1), "-");
        }
        for (ConfigDef.ConfigKey key : sorted(LogConfig.configDefCopy())) {
            write(docs, "T", key, "c", ServerTopicConfigSynonyms.TOPIC_CONFIG_SYNONYMS.getOrDefault(key.name, "-"));
        }
        for (ConfigDef.ConfigKey key : sorted(GroupConfig.CONFIG_DEF)) {
            Optional<String> synonym = GroupConfig.ALL_GROUP_CONFIG_SYNONYMS.getOrDefault(key.name, Optional.empty());
            write(docs, "G", key, "c", synonym.orElse("-"));
        }
        for (ConfigDef.ConfigKey key : sorted(ClientMetricsConfigs.configDef())) {
            write(docs, "C", key, "c", "-");
        }
        for (ConfigDef.ConfigKey key : sorted(QuotaConfig.userAndClientQuotaConfigs())) {
            write(docs, "U", key, "c", "-");
        }
        for (ConfigDef.ConfigKey key : sorted(QuotaConfig.ipConfigs())) {
            write(docs, "I", key, "c", "-");
        }
        for (ConfigDef.ConfigKey key : sorted(QuotaConfig.brokerQuotaConfigs())) {
            write(docs, "R", key, "c", "-");
        }
    }

    private static List<String> places;

    private static List<ConfigDef.ConfigKey> sorted(ConfigDef definitions) {
        places = new ArrayList<>(definitions.configKeys().keySet());
        return new ArrayList<>(new TreeMap<>(definitions.configKeys()).values());
    }

    private static void write(boolean docs, String kind, ConfigDef.ConfigKey key, String scope, String synonym) throws Exception {
        if (docs) {
            String text = key.documentation == null ? "" : key.documentation;
            System.out.println(kind + "\t" + key.name + "\t" + text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t"));
            return;
        }
        String initial = "!";
        if (key.hasDefault()) {
            initial = key.defaultValue == null ? "-" : "=" + ConfigDef.convertToString(key.defaultValue, key.type);
        }
        String shown = key.internalConfig ? scope + "i" : scope;
        System.out.println(String.join("\t", kind, key.name, key.type.toString(), initial, shown, check(key.validator), synonym,
            String.valueOf(places.indexOf(key.name))));
    }

    /** A validator by its class and what it holds. One of an unknown kind must be looked at first. */
    private static String check(ConfigDef.Validator validator) throws Exception {
        if (validator == null) {
            return "-";
        }
        String kind = validator.getClass().getSimpleName();
        switch (kind) {
            case "Range":
                return "range " + bound(field(validator, "min")) + " " + bound(field(validator, "max"));
            case "ValidString":
                return "in " + words(field(validator, "validStrings"));
            case "CaseInsensitiveValidString":
                String shown = validator.toString();
                return "ignorecase " + shown.substring(shown.indexOf('[') + 1, shown.length() - 1).replace(", ", ",");
            case "ValidList":
                String flags = ((boolean) field(validator, "isEmptyAllowed") ? "e" : "")
                    + ((boolean) field(validator, "isNullAllowed") ? "n" : "");
                return "list " + (flags.isEmpty() ? "-" : flags) + " "
                    + words(field(field(validator, "validString"), "validStrings"));
            case "NonEmptyString":
                return "nonempty";
            case "NonNullValidator":
                return "nonnull";
            case "ThrottledReplicaListValidator":
                return "replicas";
            case "ControllerQuorumBootstrapServersValidator":
            case "ControllerQuorumVotersValidator":
                // The addresses of controllers, which kfake has none of.
                return "-";
            default:
                String text = validator.toString();
                if (text.matches("\\[[0-9-]+,...,[0-9-]+\\] or [0-9-]+")) {
                    return "level " + text.replace("[", "").replace(",...,", " ").replace("] or ", " ");
                }
                if (text.startsWith("[latest, earliest, by_duration:")) {
                    return "reset";
                }
                throw new IllegalArgumentException("a validator that nobody has looked at: " + validator.getClass() + " " + text);
        }
    }

    private static String bound(Object number) {
        return number == null ? "*" : number.toString();
    }

    private static String words(Object list) {
        List<String> words = new ArrayList<>();
        for (Object word : (Iterable<?>) list) {
            words.add(word.toString());
        }
        return String.join(",", words);
    }

    private static Object field(Object of, String name) throws Exception {
        Field field = of.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }
}
