"""The words the demo's invented world is told in: companies, people, pages and products."""

from __future__ import annotations

# Name, industry, employees as their CRM spells it, city, country, hours east of UTC, what becomes of them.
# The first company is the one the example query asks about.
COMPANIES: tuple[tuple[str, str, object, str, str, int, str], ...] = (
    ("Brightwater Foods", "Food & Beverage", 1240, "Rotterdam", "NL", 1, "enterprise"),
    ("Kestrel Freight", "Logistics", 870, "Hamburg", "DE", 1, "enterprise"),
    ("Nordlys Energi", "Energy", 2300, "Tromsø", "NO", 1, "enterprise"),
    ("Harrow & Pike", "Legal", "329", "London", "GB", 0, "enterprise"),
    ("Cobalt Robotics Works", "Manufacturing", 640, "Pittsburgh", "US", -5, "enterprise"),
    ("Hanabi Studios", "Games", 410, "Kyoto", "JP", 9, "enterprise"),
    ("Tallgrass Health", "Healthcare", 520, "Omaha", "US", -6, "team"),
    ("Façade Atelier", "Architecture", 34, "Lyon", "FR", 1, "team"),
    ("Lumen Optics Lab", "Manufacturing", 96, "Jena", "DE", 1, "team"),
    ("Pinecrest Schools", "Education", "180", "Portland", "US", -8, "team"),
    ("Saltmarsh Media", "Media", 58, "Bristol", "GB", 0, "team"),
    ("Zielona Farma", "Agriculture", 75, "Łódź", "PL", 1, "team"),
    ("Orchard Payments", "Fintech", 210, "Dublin", "IE", 0, "team"),
    ("Copperline Rail", "Transport", 330, "Denver", "US", -7, "team"),
    ("Mistral Voile", "Sporting Goods", 42, "Marseille", "FR", 1, "team"),
    ("Quokka Travel", "Travel", 66, "Perth", "AU", 8, "team"),
    ("Vantage Point Realty", "Real Estate", 88, "Austin", "US", -6, "team"),
    ("Selene Biotech", "Biotech", 145, "Basel", "CH", 1, "team"),
    ("Foxglove Apothecary", "Retail", "51-200", "Leeds", "GB", 0, "team"),
    ("Ember & Oak", "Furniture", 73, "Aarhus", "DK", 1, "team"),
    ("Tessera Insurance", "Insurance", 260, "Milano", "IT", 1, "team"),
    ("Bluefin Aquatics", "Sporting Goods", 39, "San Diego", "US", -8, "team"),
    ("Granite Peak Games", "Games", 27, "Reykjavík", "IS", 0, "free"),
    ("Papaya Post", "Media", 12, "São Paulo", "BR", -3, "free"),
    ("Lantern Nonprofit", "Nonprofit", 9, "Nairobi", "KE", 3, "free"),
    ("Wren & Daughters", "Retail", 6, "Cork", "IE", 0, "free"),
    ("Octave Music School", "Education", 14, "Wien", "AT", 1, "free"),
    ("Tinroof Builders", "Construction", 22, "Nashville", "US", -6, "free"),
    ("Marigold Catering", "Food & Beverage", 17, "Pune", "IN", 5, "free"),
    ("Slate Podcasting", "Media", 5, "Toronto", "CA", -5, "free"),
    ("Birch Street Dental", "Healthcare", 11, "Tartu", "EE", 2, "free"),
    ("Nimbus Weather Co", "Software", 48, "Zürich", "CH", 1, "trial"),
    ("Palisade Security", "Software", 130, "Tel Aviv", "IL", 2, "trial"),
    ("Juniper Row", "Fashion", 31, "København", "DK", 1, "trial"),
    ("Riverbend Brewing", "Food & Beverage", 24, "Gent", "BE", 1, "trial"),
    ("Atlas Cartography", "Software", 57, "Lisboa", "PT", 0, "trial"),
    ("Gearloose Parts", "Automotive", 44, "Detroit", "US", -5, "churned"),
    ("Sundial Timber", "Construction", 62, "Umeå", "SE", 1, "churned"),
    ("Velvet Circuit", "Electronics", 19, "Brno", "CZ", 1, "churned"),
    ("Phoenix Print Shop", "Printing", 28, "Glasgow", "GB", 0, "returned"),
)

_FIRST_NAMES = """
    Ada Alejandro Amara Anaïs Anders Aoife Ben Björn Camille Carlos Chiara Chloé Daniel Dilan
    Eilidh Elif Emeka Emma Esther Fatima Felix Freja Gabriel Giulia Grace Hannah Henrik Hugo
    Ingrid Isabel Ivan Jamal James Jan José Juliette Kai Karin Katarzyna Kofi Lars Laura Léa
    Leila Liam Lucía Łukasz Magnus Maria Marta Mateo Maya Mei Michael Mina Naomi Nils Nina
    Noor Ola Oliver Olivia Omar Paula Pedro Petra Priya Rafael Rosa Sam Sanne Sara Siddharth
    Siobhán Sofia Søren Stefan Tariq Thandiwe Tomás Uma Valentina Victor Wanjiru Will Yara
    Yusuf Zeynep Zoë
"""

_LAST_NAMES = """
    Abebe Adeyemi Ahmed Andersson Bakker Baptiste Becker Bianchi Bouchard Brown Campbell Castillo
    Chen Clarke Costa Dąbrowski Delacroix Demir Díaz Dubois Edwards Eriksen Evans Fernández
    Fischer Fofana Fournier Garcia Green Grünwald Haddad Hall Hansen Hughes Ibrahim Ito Jansen
    Jensen Johansson Jones Kamau Kaya Keller Khan Kim Kowalska Kraus Kumar Lee Lefèvre
    Lindqvist Lopes Martin Mbeki McCarthy Mensah Meyer Moreau Müller Murphy Nakamura Ndiaye
    Nguyen Nilsson Novák O'Brien Okafor Olsen Ortiz Øberg Patel Petrov Pham Quinn Ramírez Rao
    Reyes Ricci Rossi Sato Schmidt Schäfer Shah Silva Singh Smith Sørensen Szabó Takahashi
    Taylor Tremblay Vargas Vogel Wagner Walsh Weiß Williams Wong Yilmaz Young Zhang Żak
"""

FIRST_NAMES = tuple(_FIRST_NAMES.split())
LAST_NAMES = tuple(_LAST_NAMES.split())
# First name, last name, and how their email spells them.
NAMES_IN_OTHER_LETTERS: tuple[tuple[str, str, str], ...] = (
    ("美咲", "田中", "misaki.tanaka"),
    ("健太", "渡辺", "kenta.watanabe"),
    ("Дмитрий", "Иванов", "dmitry.ivanov"),
    ("Ольга", "Шевченко", "olga.shevchenko"),
    ("小龙", "王", "xiaolong.wang"),
    ("지우", "박", "jiwoo.park"),
    ("Ελένη", "Παππά", "eleni.pappa"),
    ("יעל", "כהן", "yael.cohen"),
    ("ليلى", "حداد", "layla.haddad"),
)
TITLES: tuple[str, ...] = (
    "Project Manager",
    "Head of Operations",
    "Team Lead",
    "Product Designer",
    "Engineer",
    "Marketing Manager",
    "Scrum Master",
    "Analyst",
    "Office Manager",
    "Site Supervisor",
    "Producer",
    "Programme Director",
    "Account Executive",
    "Customer Success Manager",
    "Finance Controller",
    "Intern",
)
STREETS: tuple[str, ...] = (
    "Harbour Road",
    "Mill Lane",
    "Station Square",
    "Long Street",
    "Market Place",
    "Quay",
)
DEPARTMENTS: tuple[str, ...] = (
    "Design",
    "Engineering",
    "Finance",
    "Marketing",
    "Operations",
    "Sales",
    "Support",
)
SUCCESS_CONTACTS: tuple[str, ...] = ("Robin Vale", "Morgan Ashe", "Tuva Lind")

PROJECTS: tuple[str, ...] = (
    "Website Relaunch",
    "Q3 Roadmap",
    "Warehouse Move",
    "Annual Report",
    "Mobile App",
    "Hiring Plan",
    "Trade Fair",
    "Audit",
    "Office Refit",
    "Data Migration",
    "Customer Survey",
    "Supplier Review",
    "Brand Refresh",
    "Onboarding",
    "Safety Training",
)
REPORTS: tuple[str, ...] = (
    "Burndown",
    "Workload",
    "Budget",
    "Time Sheet",
    "Portfolio",
    "Overdue Tasks",
)
INTEGRATIONS: tuple[str, ...] = (
    "Calendar",
    "Chat",
    "Git Hosting",
    "Single Sign-on",
    "Spreadsheet",
    "Help Desk",
)
SEARCHES: tuple[str, ...] = (
    "overdue",
    "budget",
    "milestone",
    "assigned to me",
    "Größe",
    "contract",
)
APP_PAGES: tuple[tuple[str, str], ...] = (
    ("Dashboard", "/app"),
    ("Board", "/app/board"),
    ("Timeline", "/app/timeline"),
    ("My Tasks", "/app/tasks"),
    ("Reports", "/app/reports"),
    ("Project Settings", "/app/settings"),
    ("Billing", "/app/billing"),
)
SITE_PAGES: tuple[tuple[str, str], ...] = (
    ("Home", "/"),
    ("Pricing", "/pricing"),
    ("Features", "/features"),
    ("Templates", "/templates"),
    ("Customer Stories", "/stories"),
    ("Docs", "/docs/start"),
    ("Sign Up", "/signup"),
)
SCREENS: tuple[str, ...] = ("Today", "Task Detail", "Inbox", "Project List", "Time Tracker")
CAMPAIGNS: tuple[tuple[str, str, str], ...] = (
    ("spring_launch", "newsletter", "email"),
    ("brand_search", "search", "cpc"),
    ("partner_webinar", "partner", "referral"),
)

# What a seat costs a month, in cents, by plan.
SEAT_CENTS: dict[str, int] = {"team": 1200, "enterprise": 2900}
