# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
"""Short lists of words that carry no topic, language by language."""

from typing import Final

STOP_WORDS: Final[dict[str, str]] = {
    "arabic": """
        في من على إلى الى عن مع هذا هذه ذلك التي الذي ما لا لم لن هو هي هم نحن أنا انا أنت انت كان
        كانت يكون كل بعد قبل عند أو او ثم إن ان أن قد حتى بين كما لكن
    """,
    "chinese": """
        的 了 是 在 我 你 他 她 它 和 也 就 都 不 有 我们 你们 他们 这个 那个 一个 没有 什么 因为
        所以 但是 还是 可以 自己 這個 那個 一個 我們 你們 他們 沒有 什麼 因為
    """,
    "dutch": """
        de het een en ik je jij hij zij ze wij we dat die dit deze niet met voor op te zijn was
        er maar om hem haar mijn jouw ons onze ook als dan nog wel naar bij uit aan over heb
        heeft hebben wat zo geen kan wordt worden meer veel
    """,
    "english": """
        the a an and or but if of at by for with about to from in on off up out into over under
        again then once here there when where why how all any both each few more most other some
        such no nor not only own same so than too very can will just should now am is are was were
        be been being have has had having do does did doing would could i me my mine myself we us
        our ours you your yours he him his she her hers it its they them their theirs what which
        who whom this that these those as until while because through during before after between
        get got go going let also much many im ive id ll ve re don didn doesn isn aren wasn weren
        won wouldn couldn shouldn hasn haven hadn ain cant dont didnt thats youre
    """,
    "french": """
        le la les un une des du de et ou mais donc or ni je tu il elle on nous vous ils elles
        me te se mon ma mes ta tes sa ses notre nos votre vos leur leurs ce cet cette ces
        qui que quoi dont où ne pas plus très tout tous toute toutes dans sur sous avec sans
        par en au aux est es suis sont était être avoir ai as avez ont fait comme aussi bien si
        qu ça cela
    """,
    "german": """
        der die das den dem des ein eine einen einem einer eines und oder aber wenn weil dass ich
        du er sie es wir ihr mich mir dich dir sich uns euch mein meine dein deine sein seine ihre
        unser unsere ist sind war waren bin bist habe haben hatte wird werden nicht kein keine
        auch nur noch schon so wie was wer wo mit von vom zu zum zur bei beim nach vor aus auf für
        über unter durch um als an am im in mehr sehr hier da doch mal
    """,
    "hindi": """
        के का की को में से है हैं था थी थे और या पर भी ने यह ये वह वो एक इस उस हम मैं तुम आप मेरा
        मेरी अपने अपनी कि जो तो ही कर नहीं हो साथ लिए क्या
    """,
    "indonesian": """
        yang dan di ke dari untuk dengan ini itu ada tidak tak bukan saya aku kamu kami kita dia
        mereka akan sudah bisa juga atau pada dalam adalah karena saat lagi aja nya ya yg dgn utk
        dg nih banget lebih jadi seperti oleh
    """,
    "italian": """
        il lo la gli le un uno una di del dello della dei degli delle da dal dalla in nel nella
        con su sul sulla per tra fra al allo alla ai alle ma ed che chi cui non più io tu lui lei
        noi voi loro mi ti ci vi si mio mia miei tuo tua suo sua nostro vostro questo questa questi
        queste quello quella sono sei siamo è era essere ho hai ha abbiamo hanno anche se
        molto tutto tutti tutta
    """,
    "japanese": """
        の に は を が で と も た です ます した して ます ない から まし てい いる ある この その
        する なっ って とう など まで より
    """,
    "korean": """
        이 그 저 것 수 등 및 더 잘 너무 정말 진짜 그리고 그런데 하지만 그래서 우리 나는 내가 저는
        제가 있는 하는 없는 이런 그런 저런 있어요 합니다 입니다 있습니다 오늘은
    """,
    "polish": """
        i w z na do nie się to jest że jak ale od po za o tak co dla już czy tylko przez przy bez
        być był była było są mnie mi ja ty on ona my wy oni te ten ta tego tej tym oraz lub jeszcze
        bardzo gdy
    """,
    "portuguese": """
        o a os as um uma uns umas de do da dos das em no na nos nas por pelo pela para pra com sem
        e ou mas que se não sim eu tu ele ela nós vós eles elas você vocês me te lhe meu minha
        meus minhas teu tua seu sua seus suas nosso nossa este esta esse essa isso isto aquele
        aquela é são foi era ser estar está estou tem ter mais muito já também como quando onde
        ao aos à às só
    """,
    "russian": """
        и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее
        её мне было вот от меня еще ещё нет о из ему теперь когда даже ну ли если уже или ни быть
        был была были до вас нас они мы это этот эта эти для при мой моя мои очень тоже там тут где
    """,
    "spanish": """
        el la los las un una unos unas de del al en con sin por para y o u pero que si no sí yo tú
        él ella nosotros vosotros ellos ellas usted ustedes me te se nos os lo le les mi mis tu tus
        su sus nuestro nuestra este esta estos estas ese esa esto eso aquel aquella es soy eres
        era fue ser estar está estoy están hay he ha han más muy ya también como cuando donde porque
        todo todos toda todas
    """,
    "swedish": """
        och att det som en ett på är av för med till den i om inte har jag du han hon vi ni de var
        så sig från min mitt mina din ditt dina när ut upp nu bara kan ska vad eller också
        mycket här
    """,
    "turkish": """
        ve bir bu da de için ile çok ama ne mi mı mu mü ben sen biz siz onlar o şu daha en gibi
        kadar her hem ki ya var yok değil olan oldu olarak sonra önce şimdi bana sana benim senin
        bizim
    """,
    "ukrainian": """
        і й та в у не що на я з із зі як а то все вона він вони ми ви ти його її але до за по для
        це цей ця ці від при про був була було були є ще вже тільки дуже мій моя мої
    """,
    "vietnamese": """
        và là của có cho không một những các được trong với này đó khi để thì mà từ đã sẽ đang rất
        cũng như ở ra vào tôi bạn mình nhé ạ
    """,
}
"""Language -> its words, separated by white space; folded like captions where they are used.

A word that names a thing in another large language is in no list, such as the French "car".
"""
