"""What there is to say of each norm, one file each. Error rates are those that the papers state."""

from normzoo.registry.explanations.batch import BATCH
from normzoo.registry.explanations.group import GROUP
from normzoo.registry.explanations.instance import INSTANCE
from normzoo.registry.explanations.layer import LAYER
from normzoo.registry.explanations.none import NONE
from normzoo.registry.explanations.rms import RMS

__all__ = ["BATCH", "GROUP", "INSTANCE", "LAYER", "NONE", "RMS"]
