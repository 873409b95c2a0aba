"""TES 1.1.0 by the book."""

from callback_service.tes_sim.profiles.profile import Profile

STRICT = Profile(name="strict", info={"tesResources_backend_parameters": ["VmSize"], "storage": []})
