import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;

/** Prints the settings of a broker, one a line: name, type and what values it takes, as pkg/kafkaconfig reads them. */
public class Export {
    public static void main(String[] args) throws Exception {
        ConfigDef settings = (ConfigDef) Class.forName("kafka.server.KafkaConfig").getMethod("configDef").invoke(null);
        for (ConfigDef.ConfigKey key : new TreeMap<>(settings.configKeys()).values()) {
            System.out.println(key.name + "\t" + key.type + "\t" + rule(key.validator));
        }
    }

    /** What a validator of Kafka's own says; nothing for those that are code. */
    private static String rule(ConfigDef.Validator validator) throws Exception {
        if (validator instanceof ConfigDef.Range) {
            return text(field(validator, "min")) + ".." + text(field(validator, "max"));
        }
        if (validator instanceof ConfigDef.ValidString) {
            return list("in ", field(validator, "validStrings"));
        }
        if (validator instanceof ConfigDef.CaseInsensitiveValidString) {
            return list("in any case ", field(validator, "validStrings"));
        }
        if (validator instanceof ConfigDef.ValidList) {
            return list("in ", field(field(validator, "validString"), "validStrings"));
        }
        return validator instanceof ConfigDef.NonEmptyString ? "not empty" : "";
    }

    private static Object field(Object of, String name) throws Exception {
        Field field = of.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }

    private static String text(Object bound) {
        return bound == null ? "" : bound.toString();
    }

    private static String list(String before, Object values) {
        List<String> sorted = new ArrayList<>();
        for (Object value : (Iterable<?>) values) {
            sorted.add(String.valueOf(value));
        }
        // The order of a set is anything.
        sorted.sort(null);
        return sorted.isEmpty() ? "" : before + String.join(",", sorted);
    }
}
