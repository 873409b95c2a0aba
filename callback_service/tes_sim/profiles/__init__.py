"""Servers' habits, one file for each server."""

from callback_service.tes_sim.profiles.funnel import FUNNEL
from callback_service.tes_sim.profiles.pr176 import PR176
from callback_service.tes_sim.profiles.profile import Profile
from callback_service.tes_sim.profiles.strict import STRICT
from callback_service.tes_sim.profiles.tesk import TESK

PROFILES = {profile.name: profile for profile in (FUNNEL, TESK, PR176, STRICT)}

__all__ = ["PROFILES", "Profile"]
