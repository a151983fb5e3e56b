/* A delegate that takes no operator: what load_delegate needs and nothing more.
   Options: "error" is reported and nothing made, "garbled" reports what is no text; "prepare" is
   the status of Prepare, 0 or 1. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* TfLiteDelegate of tensorflow/lite/core/c/common.h. */
struct delegate {
  void *data;
  int (*prepare)(void *context, struct delegate *self);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *builder;
  int status;
};

int created, destroyed, prepared, registered;
void *resolver;

static int prepare(void *context, struct delegate *self) {
  (void)context;
  ++prepared;
  return self->status;
}

struct delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                               void (*report)(const char *)) {
  int status = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!strcmp(keys[i], "error")) {
      report(values[i]);
      return NULL;
    }
    if (!strcmp(keys[i], "garbled")) {
      report("\xff");
      report(NULL);
      return NULL;
    }
    if (!strcmp(keys[i], "prepare")) status = atoi(values[i]);
  }
  struct delegate *self = calloc(1, sizeof *self);
  self->prepare = prepare;
  self->status = status;
  ++created;
  return self;
}

void tflite_plugin_destroy_delegate(struct delegate *self) {
  if (self) ++destroyed;
  free(self);
}

/* A custom op registerer, found by its name; it registers nothing. */
void register_nothing(void *address) {
  ++registered;
  resolver = address;
}
