"""The control plane: enrolment, reports, intents, rollouts and operators, in one process over one database."""
