"""Makes who a batch is about: identities, device, consent."""

from random import Random

from strategies.chance import mostly, pick, rarely, seldom
from tokferry.mparticle import v1 as mparticle

_PHONES = (
    "+1 (213) 373-4253",
    "0044 20 7183 8750",
    "020 7183 8750",
    "none",
    "+49 (0) 3",
)
_FIRST_PHONE = mparticle.IdentityType.IDENTITY_TYPE_MOBILE_NUMBER
_DIGEST = "848A771458438FC2EC420560D769FB9B9B86851EE338EC56517BAABD79D3BB4F"
_PURPOSES = ("advertising", "Advertising", "analytics")


def identities(random: Random, made: mparticle.Batch, marker: str) -> None:
    numbers = list(range(1, 23))
    random.shuffle(numbers)
    numbers[random.randint(0, 4) :] = []
    if mostly(random):
        numbers = list(dict.fromkeys([*numbers, random.choice((8, 2, 20))]))
    for number in numbers:
        identity = made.user_identities.add()
        identity.identity_type = number  # type: ignore[assignment]
        identity.identity = _identity(random, number, marker)
    if rarely(random):
        made.user_identities.add(unrecognized_identity_type="passport", identity="p")


def _identity(random: Random, number: int, marker: str) -> str:
    if rarely(random):
        values: tuple[str, ...] = ("", " ", _DIGEST, "0" * 8, marker)
    elif number >= _FIRST_PHONE:
        values = (*_PHONES, f"+1 213 {marker}")
    else:
        values = (f"{marker}User@Example.com", f" {marker}u-1 ", f"{marker}ü")
    return str(pick(random, values))


def device(random: Random, device: mparticle.DeviceInfo) -> None:
    if mostly(random):
        device.http_header_user_agent = pick(random, ("Mozilla/5.0 (Example)", " "))
    if rarely(random):
        device.locale_language = pick(random, ("en", "EN_us", "English", ""))
        device.locale_country = pick(random, ("US", "usa", ""))
    if rarely(random):
        device.platform = random.randint(0, 4)  # type: ignore[assignment]
        device.limit_ad_tracking = random.random() < 0.5
        device.att_authorization_status = random.randint(0, 4)  # type: ignore[assignment]
        device.ios_advertising_id = "ea7583cd-a667-48bc-b806-42ecb2b48606"
        device.android_advertising_id = "00000000-0000-0000-0000-000000000000"
        device.ios_idfv = "9D2F"


def consent(random: Random, state: mparticle.ConsentState) -> None:
    for purpose in _PURPOSES:
        if seldom(random):
            consent = state.gdpr[purpose]
            if mostly(random):
                consent.consented = random.random() < 0.8
    if seldom(random):
        state.ccpa.SetInParent()
    if seldom(random):
        state.ccpa.data_sale_opt_out.timestamp_unixtime_ms = 1
        if mostly(random):
            state.ccpa.data_sale_opt_out.consented = random.random() < 0.5
