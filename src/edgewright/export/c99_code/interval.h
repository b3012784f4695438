/* NAME_interval.h. */
#define $share 90 %
#define $level 0.9f

/* lines title */
/* The truth lies between these ends of a prediction of @ in $share of cases, by groups that no fit saw. */

/* lines header */
#define @@_INTERVAL_LEVEL $level

/* Both ends around `prediction` of an answer of @_predict; NAN where that is NAN. */
void @_interval(float prediction, float *low, float *high);
