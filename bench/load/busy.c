/*
 * How long CPUs have been busy, to the nanosecond: `busy CPU…` prints for each line of its standard input
 * {"busy":S,"now":S}, busy being the sum over the CPUs of what was not idle since the machine's start.
 *
 * /proc/timer_list shows what the idle column of /proc/stat is made from, before that is rounded to 10 ms. A CPU's count is
 * complete while the CPU is not idle, so this program goes to each CPU to read it there. Needs root.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Negative if it cannot be read. */
static double idle_seconds(int cpu) {
  FILE *file = fopen("/proc/timer_list", "r");
  char line[256];
  int at = -1;
  long long idle = -1, waiting = 0;
  if (file == NULL) return -1;
  while (fgets(line, sizeof line, file) != NULL) {
    sscanf(line, "cpu: %d", &at);
    if (at != cpu) continue;
    sscanf(line, " .idle_sleeptime : %lld", &idle);
    sscanf(line, " .iowait_sleeptime : %lld", &waiting);
  }
  fclose(file);
  return idle < 0 ? -1 : (double)(idle + waiting) / 1e9;
}

int main(int argc, char **arg) {
  char line[16];
  while (fgets(line, sizeof line, stdin) != NULL) {
    double busy = 0;
    for (int i = 1; i < argc; i++) {
      int cpu = atoi(arg[i]);
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      double idle = sched_setaffinity(0, sizeof one, &one) == 0 ? idle_seconds(cpu) : -1;
      if (idle < 0) {
        fprintf(stderr, "busy: cannot read /proc/timer_list\n");
        return 1;
      }
      busy += now_seconds() - idle;
    }
    printf("{\"busy\":%.9f,\"now\":%.9f}\n", busy, now_seconds());
    fflush(stdout);
  }
  return 0;
}
