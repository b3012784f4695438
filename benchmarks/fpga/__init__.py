"""Networks in Verilog on an iCE40 UP5K: what they take after placement, and every byte in a simulator."""
