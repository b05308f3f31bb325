"""Who the events of a batch are about: made-up people, on the web and in an app."""

from tokferry.mparticle import v1 as mparticle

_BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
_APP = "ExampleShop/7.1.0 (iPhone; iOS 19.1; Scale/3.00)"


def batch(person: int, *, mobile: bool) -> mparticle.Batch:
    """Make a batch without events; ``person`` tells its shopper from others."""
    made = mparticle.Batch(
        environment=mparticle.Environment.ENVIRONMENT_PRODUCTION,
        ip=f"203.0.113.{person % 256}",
        mpid=-3_419_873_256_810_000_000 + person,
        timestamp_unixtime_ms=1_790_000_001_250,
        message_id=f"f0e1d2c3-b4a5-4697-8877-{person:012x}",
        schema_version=2,
    )
    _identities(made, person)
    _attributes(made)
    _consents(made.consent_state)
    if mobile:
        _phone(made)
    else:
        _browser(made)
    return made


def _identities(made: mparticle.Batch, person: int) -> None:
    kinds = mparticle.IdentityType
    for kind, value in (
        (kinds.IDENTITY_TYPE_CUSTOMER_ID, f"customer-{person:05}"),
        (kinds.IDENTITY_TYPE_EMAIL, f"Jane.Doe{person}@example.com"),
        (kinds.IDENTITY_TYPE_MOBILE_NUMBER, f"+1213555{person % 100 + 100:04}"),
    ):
        made.user_identities.add(identity_type=kind, identity=value)


def _attributes(made: mparticle.Batch) -> None:
    for name, value in (
        ("$FirstName", "Jane"),
        ("$LastName", "Doe"),
        ("$City", "Los Angeles"),
        ("$State", "California"),
        ("$Country", "US"),
        ("$Zip", "90012"),
        ("loyalty tier", "gold"),
    ):
        made.user_attributes[name].string_value = value
    made.partner_identities["tiktok_cookie_id"] = "2aZEXAMPLEcookie0fExamplePerson"


def _consents(state: mparticle.ConsentState) -> None:
    for purpose in ("advertising", "analytics"):
        state.gdpr[purpose].consented = True
        state.gdpr[purpose].timestamp_unixtime_ms = 1_780_000_000_000
    state.ccpa.data_sale_opt_out.consented = False


def _browser(made: mparticle.Batch) -> None:
    device = made.device_info
    device.platform = mparticle.Platform.PLATFORM_WEB
    device.http_header_user_agent = _BROWSER
    device.locale_language, device.locale_country = "en", "US"
    device.screen_width, device.screen_height = 2560, 1440
    made.application_info.application_name = "Example Shop"


def _phone(made: mparticle.Batch) -> None:
    device = made.device_info
    device.platform = mparticle.Platform.PLATFORM_IOS
    device.http_header_user_agent = _APP
    device.brand, device.device_model = "iPhone", "iPhone17,1"
    device.device_manufacturer, device.os_version = "Apple", "19.1"
    device.locale_language, device.locale_country = "en", "US"
    device.network_carrier, device.timezone_offset = "Example Mobile", -8
    device.ios_advertising_id = "EA7583CD-A667-48BC-B806-42ECB2B48606"
    device.ios_idfv = "9D2F4B1E-1C2D-4E3F-8A9B-0C1D2E3F4A5B"
    device.att_authorization_status = (
        mparticle.AttAuthorizationStatus.ATT_AUTHORIZATION_STATUS_AUTHORIZED
    )
    app = made.application_info
    app.application_name, app.application_version = "Example Shop", "7.1.0"
    app.package, app.application_build_number = "com.example.shop", "7100"
