"""A cohort's mix: what words say, and what is none."""

import pytest

from photopeak.core import PhotopeakError
from photopeak.patients.bone_scan import BoneScan
from photopeak.patients.datscan import DatScan
from photopeak.patients.mix import normalised, shares
from photopeak.patients.myocardial_perfusion import MyocardialPerfusion

PROTOCOLS = (BoneScan, DatScan, MyocardialPerfusion)


@pytest.mark.parametrize("text", ["", "half normal", "N", "N=a", "N=1=2"])
def test_words_that_name_no_shares_are_refused(text):
    with pytest.raises(PhotopeakError, match=r"N=0\.4"):
        shares(text)


@pytest.mark.parametrize("text", ["N=-1,M=2", "N=0", "X=1", "N=nan", "N=inf"])
def test_shares_that_are_no_mix_are_refused(text):
    with pytest.raises(PhotopeakError, match="is no mix"):
        normalised(shares(text), ("N", "M"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_refuses_a_class_that_it_has_not(protocol):
    with pytest.raises(PhotopeakError, match="Remedy: give shares"):
        protocol(mix="healthy=1").plans(2, 1)
