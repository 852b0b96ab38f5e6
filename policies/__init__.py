"""The policy pack: rules that a stack must keep, run on a plan or by the engine."""
