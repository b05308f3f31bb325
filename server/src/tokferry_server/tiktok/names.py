"""TikTok's closed lists: event names, currencies and the other values it knows.

https://ads.tiktok.com/help/article/supported-standard-events and
https://business-api.tiktok.com/portal/docs?id=1771101303285761.
"""

import re
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EVENT_SOURCES: Final = ("web", "app", "offline", "crm")
CONTENT_TYPES: Final = ("product", "product_group")
CUSTOMER_TYPES: Final = ("new", "returning")
ATT_STATUSES: Final = (
    "AUTHORIZED",
    "DENIED",
    "NOT_DETERMINED",
    "RESTRICTED",
    "NOT_APPLICABLE",
)

STANDARD_EVENTS: Final = _words(
    """
    AddPaymentInfo AddToCart AddToWishlist ApplicationApproval CompleteRegistration
    Contact CustomizeProduct Download FindLocation InitiateCheckout Lead Purchase
    Schedule Search StartTrial SubmitApplication Subscribe ViewContent
    """
)
"""Standard names of web, offline and CRM events."""

APP_EVENTS: Final = _words(
    """
    AchieveLevel AddPaymentInfo AddToCart AddToWishlist Checkout CompleteTutorial
    CreateGroup CreateRole GenerateLead InAppADClick InAppADImpr InstallApp
    JoinGroup LaunchAPP LoanApplication LoanApproval LoanDisbursal Login Purchase
    Rate Registration Search SpendCredits StartTrial Subscribe UnlockAchievement
    ViewContent
    """
)
"""Standard names of app events."""

RENAMED_EVENTS: Final = {"CompletePayment": "Purchase", "SubmitForm": "Lead"}
"""Renamed on 2025-05-01; TikTok still converts the old names.
https://ads.tiktok.com/help/article/how-to-adopt-tiktoks-updated-standard-events
"""

RETIRING_EVENTS: Final = frozenset({"ClickButton", "PlaceAnOrder"})
"""Still taken, to be removed in 2027 (same page)."""

MAX_EVENT_NAME: Final = 50
CUSTOM_EVENT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")
"""https://ads.tiktok.com/help/article/custom-events (to be matched in full)."""

CURRENCIES: Final = _words(
    """
    AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP
    GTQ HKD HNL HUF IDR ILS INR ISK JPY KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO
    NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RUB SAR SEK SGD THB TRY TWD UAH USD VES
    VND ZAR
    """
)
"""The 62 currencies that TikTok takes, by ISO 4217 code.
https://ads.tiktok.com/help/article/standard-events-parameters
"""
