"""Where the time of a train step goes, and how close it comes to what the device can do."""

from jaxdl.profiling.profiler import Profiler, read_profile
from jaxdl.profiling.table import print_profile

__all__ = ["Profiler", "print_profile", "read_profile"]
