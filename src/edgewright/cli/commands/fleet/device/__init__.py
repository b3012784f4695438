"""List, show, block, retire, rename and tag devices, and deploy a release to one."""

EXAMPLE = "retire pump-017 --reason 'stolen' --fleet my-fleet"
