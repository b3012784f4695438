/* NAME_self_test.h; `self_test.py` writes what a network adds. */
#include "model.h"
#define $bytes \
    int8_t in[@@_NETWORK_INPUTS]; \
    int8_t out[@@_NETWORK_OUTPUTS];
#define $samples 2

/* lines header */
/* What @_self_test answers besides 0. */
#define @@_PREDICT_WRONG 1
#define @@_NETWORK_WRONG 2

/* Memory of the test; nothing in it has to be set. */
typedef struct {
    @_context model;
    @_answer answer;
    float input[@@_INPUTS];
$bytes} @_self_test_context;

/* Whether this build answers as the model does: 0, or what is wrong. It generates $samples samples, in the order
 * that @.h gives, with known answers. */
int @_self_test(@_self_test_context *context);
