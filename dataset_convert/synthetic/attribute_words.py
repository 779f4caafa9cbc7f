"""What synthetic biographies are made of: concepts of the lexicon by their own names."""

from typing import Final

# Each row is a niche: what brands call themselves, what both say, and what people call themselves.
ATTRIBUTES: Final = """
cosmetics-brand lipstick foundation-makeup | makeup | makeup-artist beauty-blogger eye-makeup
beauty-salon sun-protection bath-product | skincare | beautician dermatologist natural-beauty
hair-color wig eyelash | hair | hairdresser curly-hair eyebrow
shaving fragrance tattoo-studio | grooming | beard tattoo-artist piercing
clothing-brand womens-clothes dress | clothes | fashion-blogger model style
boutique luxury-fashion luxury-brand | fashion | stylist fashion-designer fashion-photographer
mens-clothes suit coat | shirt | tailor jeans hat
eco-brand renewable-energy organic-food | sustainability | environment vintage-fashion organizing
sports-brand sportswear supplement-brand | fitness | personal-trainer fitness-blogger bodybuilding
yoga-studio aromatherapy spa | yoga | yoga-teacher meditation pilates-teacher
shoe-store boots sandals | sneaker | skateboarding shoemaker streetwear
sports-team golf horse-riding | football | athlete sports-coach tennis
backpack hunting fishing | hiking | climbing camping outdoors
swimwear sailing paddling | surfing | diving beach swimming
airline-company airport travel-agency | aviation | pilot flight-attendant travel-blogger
luxury-travel cruise hotel | road-trip | solo-travel van-life travel-photographer
car-brand car-dealer electric-car | luxury-car | mechanic classic-car racing-driver
car-service car-tuning truck | motorcycle | motorsport driver off-road
food-brand snack sauce | cooking | food-blogger chef spice
bakery candy cookie | baking | baker cake donut
fast-food-chain pizza burger | restaurant | food-review street-food waiter
fruit dairy juice | healthy-eating | nutritionist vegan vegetarian
coffee-shop tea chocolate | coffee | barista breakfast ice-cream
drink-brand energy-drink soda | cocktail | bartender party dance
bar vodka whiskey | wine | sommelier brewer cheese
jewelry-store diamond gold | jewelry | jewelry-designer handmade-jewelry ring
eyewear bag leather | watch | collecting vintage tattoo
electronics-brand smartphone audio | gadget | tech-blogger drone photographer
video-game-brand computer streaming-service | gaming | streamer cosplay anime
tech-company telecommunication software | technology | software-developer coding robotics
record-label radio event | concert | musician singer dj
film-studio magazine news | film | actor filmmaker comedian
bank insurance real-estate-agency | finance | financial-adviser real-estate-agent career
nonprofit childrens-charity environmental-organization | charity | volunteering animal-world teacher
furniture-store kitchenware candle | home-decor | interior-designer gardening diy
toy-store baby subscription-box | parenting | mother father homemaker
"""
ATTRIBUTES_OF_NO_NICHE: Final = """
verified online-shop giveaway discount collaboration brand-ambassador award-winner custom-made
limited-edition made-locally community creative student freelancer public-figure dog cat family
photography book writer speaker astrology city-life nature lifestyle entrepreneur content-creator
founder personal-blog
"""
