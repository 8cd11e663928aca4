/* A process with librdkafka's mock cluster alone: mock-rdkafka TOPIC:PARTITIONS…
 *
 * Prints `ready HOST:PORT` once it listens, and ends on SIGTERM. Built against the system's librdkafka:
 *   cc -O2 -o mock-rdkafka main.c $(pkg-config --cflags --libs rdkafka)
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

int main(int argc, char **argv) {
        char errstr[512];
        sigset_t stop;
        int received;

        /* Before the library starts its threads, so that the signal is for sigwait alone. */
        sigemptyset(&stop);
        sigaddset(&stop, SIGTERM);
        sigaddset(&stop, SIGINT);
        sigprocmask(SIG_BLOCK, &stop, NULL);

        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "log_level", "3", errstr, sizeof(errstr));
        rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
        if (!rk) {
                fprintf(stderr, "%s\n", errstr);
                return 1;
        }
        rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(rk, 1);
        if (!cluster) {
                fprintf(stderr, "cannot make a mock cluster\n");
                return 1;
        }
#if RD_KAFKA_VERSION >= 0x020b0000
        rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
#endif
        for (int i = 1; i < argc; i++) {
                char *colon = strchr(argv[i], ':');
                if (!colon) {
                        fprintf(stderr, "%s: expected TOPIC:PARTITIONS\n", argv[i]);
                        return 2;
                }
                *colon = '\0';
                if (rd_kafka_mock_topic_create(cluster, argv[i], atoi(colon + 1), 1)) {
                        fprintf(stderr, "%s: cannot be created\n", argv[i]);
                        return 1;
                }
        }
        printf("ready %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
        fflush(stdout);
        sigwait(&stop, &received);
        rd_kafka_mock_cluster_destroy(cluster);
        rd_kafka_destroy(rk);
        return 0;
}
