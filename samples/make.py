#!/usr/bin/env python3
"""Makes accounts.csv and bad.csv in its own directory: always the same ones.

    python3 samples/make.py           writes them
    python3 samples/make.py --check   says whether they are what it would write
"""

import csv
import hashlib
import io
import pathlib
import sys
import unicodedata

ACCOUNTS = 1000
SEED = "quorid samples 1"

# Given names; family names; what stands between them in a real name; whether the family name
# comes first. Combined at random: people of these names are not meant.
PEOPLES = {
    "English": ("Alice Hugh Nora Owen Ruby Miles Ivy Clara Edwin Pearl", "Ashdown Brook Fennel Hartwell Larkin Marlow Quill Thorne Whitby Yarrow", " ", False),
    "Spanish": ("Ana José Lucía Íñigo Begoña Raúl Inés Ángel Nuria Óscar", "Núñez Peñalba Ibáñez Ríos Zúñiga Cárdenas Muñiz Ordóñez Güell Sáez", " ", False),
    "Portuguese": ("João Inês Conceição Luís Mônica Tomé Açucena Estêvão Lídia Zé", "Araújo Brandão Falcão Gonçalves Magalhães Simões Trindade Leitão Sá Avelãs", " ", False),
    "French": ("Zoé Maël Héloïse François Éloi Noëlle Anaïs Gaël Solène Benoît", "Lefèvre Chênevert Garçon Dubœuf L'Hôte D'Aubépine Château Noël Forêt Bréal", " ", False),
    "German": ("Jürgen Käthe Björn Ömer Änne Götz Ulrike Zäzilie Lothar Roß", "Müller Größ Weiß Schäfer Königsmann Bärlauch Üblacker Strauß Möwe Fuchs", " ", False),
    "Nordic": ("Åsa Bjørn Søren Þóra Ægir Östen Sigríður Håkon Päivi Jóhann", "Ångman Ødegård Lindström Bjørnson Hämäläinen Sæther Þórðarson Kjær Blåberg Yrjölä", " ", False),
    "Polish": ("Łucja Józef Żaneta Paweł Małgorzata Bożena Świętosław Zofia Jędrzej Ćmiel", "Wąs Źrebiec Łoś Dąb Chrząszcz Śliwka Żuraw Gęś Kwiecień Brzoza", " ", False),
    "Czech": ("Jiří Šárka Žofie Čeněk Ondřej Růžena Štěpán Květa Řehoř Tomáš", "Dvořák Říha Žížala Čáp Šťastný Kůň Vrána Ďáblík Ňouma Kříž", " ", False),
    "Hungarian": ("Győző Ágnes Őrs Tünde Zsófia Béla Ödön Erzsébet Ünige Csaba", "Szőke Fűzfa Gyöngy Kővári Erdős Tóth Hűvös Nyúl Ősz Vörös", " ", True),
    "Turkish": ("Işıl İpek Çağrı Gökçe Şule Özgür Ümit Tuğba Yıldız Ayşe", "Yılmazer Çınar Şahinbaş Öztürkmen Güneş Dağlı Kırımlı İncir Ağaç Ünal", " ", False),
    "Vietnamese": ("Ánh Đức Hương Nguyệt Phượng Quỳnh Tuyết Vũ Yến Thảo", "Đặng Nguyễn Phạm Trần Lê Võ Bùi Đỗ Hồ Ngô", " ", True),
    "Yoruba": ("Ọlá Ṣadé Àdùkẹ́ Fẹ́mi Títí Ẹniọlá Bọ́lá Káyọ̀dé Ìfẹ́ Wọlé", "Adébáyọ̀ Ọlátúnjí Ẹgbẹ́yẹmí Ṣówándé Olúṣọlá Àjàyí Ògúnlẹ́yẹ Balógun Ìdòwú Akíndélé", " ", False),
    "Hawaiian": ("Leilani Keola Mālie Kaʻimi Noelani ʻAkela Pualani Hōkū Kāwika Nāinoa", "Kealoha Makani Pōhaku Kūpaʻa Wailele Moana Pikake Hoʻolaʻi Lani Kukui", " ", False),
    "Greek": ("Νίκος Ελένη Γιώργος Σοφία Άγγελος Ζωή Οδυσσέας Ήρα Δάφνη Ίων", "Παπαδάκης Αγγελίδης Καλαμάς Λύκος Μυρτιάς Σταυρίδης Ξένος Ψαράς Ωρολογάς Θαλασσινός", " ", False),
    "Russian": ("Алёна Пётр Юлия Ефим Ксения Захар Злата Емельян Эльвира Щукарь", "Журавлёв Снегирёва Подберёзов Ястреб Щеглов Ежов Королёк Цаплин Хмель Чиж", " ", False),
    "Ukrainian": ("Іван Їжак Ґалина Оксана Євген Софія Данило Любомир Мар'яна Лук'ян", "Шевчук Горобець Ґедзь Вітер В'юн Соловей Калина Їжакевич Бджола Яворський", " ", False),
    "Serbian": ("Ђорђе Љубица Његош Јелена Ћира Џема Милош Бранка Стојан Вера", "Ђурић Љиљанић Његован Јовић Ћосовић Џиновић Врабац Шљива Бреза Јаворић", " ", False),
    "Mongolian": ("Өлзий Үүрийн Болд Сарнай Ганзориг Номин Тэмүүлэн Цэцэг Энхээ Батаа", "Өнөр Хөхөө Бүргэд Жаргал Алтан Чулуун Салхи Мөнх Тэнгис Хадан", " ", True),
    "Arabic": ("مريم يوسف ليلى حسن نور خالد سلمى عمر هدى زياد", "النجار الحداد القمر الشامي البحري الوردي الطويل السلام الخياط الزيتون", " ", False),
    "Persian": ("پریسا کیان گلناز ژاله چیستا آرش مهتاب بهرام شیرین علی‌رضا", "گلستانی پورنگ چمنی ژرفا کوهی آبادی دریایی سپیده‌دم نیک‌پی بهاری", " ", False),
    "Urdu": ("ٹیپو گڑیا زینب بلال ثریا عائشہ فہد ڈاہر مہرین شہزاد", "چوہدری بٹگرامی گھوڑا ملتانی ڈھلوں پہاڑی سمندری ٹھاکر بیگانہ کاغذی", " ", False),
    "Hebrew": ("נועה דוד מיכל יוסף תמר איתן שירה אורי רחל גיל", "לוינשטיין כהנוב אלון ברוש גפן דקל הדס ורדי זית חורש", " ", False),
    "Chinese": ("小明 美玲 建国 雪梅 志强 丽华 云飞 晓东 文静 海涛", "王 李 張 陈 劉 赵 黃 周 欧阳 司马", "", True),
    "Korean": ("민준 서연 지우 하은 도윤 수아 예준 가온 보라 슬기", "김 이 박 최 정 강 남궁 황보 윤 임", "", True),
    "Japanese": ("さくら 太郎 ゆき 健一 あおい 翔太 ひかる 美咲 まこと 直樹", "山田川 鈴森 小鳥遊 田中島 高橋本 渡辺野 佐々木原 松風 竹中山 梅沢田", " ", True),
    "Katakana": ("アンナ マルコ ルーシー ジョン エマ ピーター ソフィー ハンス ヴェラ ダニエル", "ベルク シュミット ローズ ヴァレンティ モロー クラウス フェルト ノヴァク リンド ガルシア", "・", False),
    "Hindi": ("अनुष्का राजेश प्रिया विकास सुनीता अमित कृष्णा दीपक रश्मि ज्ञान", "शर्मा वर्मा त्रिपाठी श्रीवास्तव चौहान पर्वत नदी मिश्र सिंह उपाध्याय", " ", False),
    "Bengali": ("অনন্যা সুমন রীতা অর্ণব মিতালী কৌশিক শ্রেয়া তন্ময় দীপা বিক্রম", "চট্টরাজ সেনগুপ্ত দত্ত মজুমদার নন্দী পাল ঘোষ সরকার বসু ভট্ট", " ", False),
    "Tamil": ("கவிதா முருகன் செல்வி அருண் மீனா குமரன் தமிழ் நிலா வேலன் பொன்னி", "சுந்தரம் கண்ணன் ராஜன் பாண்டியன் மலர் சேரன் கடல் வானம் தங்கம் ஆழி", " ", False),
    "Telugu": ("లక్ష్మి రాము సీత కృష్ణ పద్మ వెంకట్ అనిత సూర్య నీల గోపి", "రెడ్డి నాయుడు శాస్త్రి వర్మ రావు చౌదరి శెట్టి మూర్తి గౌడ్ దాస్", " ", False),
    "Gurmukhi": ("ਹਰਪ੍ਰੀਤ ਸਿਮਰਨ ਗੁਰਮੀਤ ਜਸਪਾਲ ਅਮਨ ਕਿਰਨ ਬਲਵੰਤ ਨਵਨੀਤ ਰਾਜ ਮਨਜੀਤ", "ਸੰਧੂ ਗਿੱਲ ਢਿੱਲੋਂ ਬਰਾੜ ਕੌਰ ਸਿੱਧੂ ਮਾਨ ਚੱਠਾ ਬੈਂਸ ਔਲਖ", " ", False),
    "Malayalam": ("അനിത രാജൻ ലക്ഷ്മി സുരേഷ് മീര ജോസ് പ്രിയ വിജയൻ ഗീത ബിന്ദു", "നായർ മേനോൻ കുറുപ്പ് പണിക്കർ വർമ്മ കടവിൽ പിള്ള തോട്ടം മലയിൽ പുഴ", " ", False),
    "Sinhala": ("නිමල් කුමාරි සුනිල් මාලා චමින්ද දිල්ෂා රුවන් අනුලා තරිඳු සඳුනි", "පෙරේරා සිල්වා ජයවර්ධන බණ්ඩාර ගුණසේකර විජේසිංහ දිසානායක රත්නායක හේරත් මැණිකේ", " ", False),
    "Thai": ("สมชาย มาลี อนันต์ ดวงใจ ประยุทธ กานดา วิชัย สุภาพร นิรันดร์ ปราณี", "ใจดี แสงทอง ศรีสุข รักไทย ดอกไม้ ภูเขา มหาสมุทร วงศ์สว่าง พงษ์ไพร เมฆขาว", " ", False),
    "Lao": ("ບຸນມີ ແກ້ວ ສົມພອນ ດາວ ແສງ ມະນີ ວິໄລ ພອນ ສີດາ ນາງ", "ວົງສາ ພູທອງ ສີສຸກ ໄຊຍະ ແກ້ວມະນີ ຈັນທະ ອິນທະ ບົວ ດວງດີ ລາດ", " ", False),
    "Burmese": ("အောင် သီတာ မောင် နန္ဒာ ကျော် မြတ် လှ ဇော် ခင် ဝင်း", "မြင့် သန်း ထွန်း စိုး လွင် ဦး အေး တင် နိုင် ဖြူ", " ", False),
    "Khmer": ("សុខា ចន្ទា ដារា ស្រីមុំ វិចិត្រ បុប្ផា រតនា សំណាង មករា កញ្ញា", "គឹម សៅ ហេង លី ឈួន ប៊ុន ទេព នួន ម៉ៅ ជា", " ", True),
    "Georgian": ("ნინო გიორგი თამარ ლევან ქეთევან დავით მზია ზურაბ ეკა ვახტანგ", "მთვარელი ვაშლიძე წყალაძე ბუხაური ღვინიაშვილი ჭადარი კაკალაია ყვავილაძე შინდია ტბელი", " ", False),
    "Armenian": ("Անի Գոհար Տիգրան Նարե Արամ Սիրուն Վահե Լուսինե Դավիթ Ծովինար", "Լեռնյան Ծաղիկյան Քարյան Ջրաղացյան Խնձորյան Աստղյան Գետյան Արծվյան Վարդյան Ճախարյան", " ", False),
    "Amharic": ("አበበ ሰላም ታደሰ ፀሐይ ዮሐንስ ማርታ ገብረ ሕይወት ደስታ ሙሉ", "ከበደ ወርቁ ተስፋዬ ኃይሌ መኮንን በላይ አያሌው ዘለቀ ጸጋዬ ፍቅሩ", " ", False),
    "Cherokee": ("ᏣᎳᎩ ᎠᏓ ᏩᏯ ᎤᏬᏗ ᏥᏍᏚ ᎠᏫ ᏲᎾ ᎦᎵ ᏌᎳᎵ ᏗᎳ", "ᎠᎹ ᎡᎶᎯ ᎤᏃᎴ ᏅᏓ ᎪᎳ ᎤᏂ ᎠᏥᎳ ᎦᎸᎶ ᏔᎷᎩ ᏃᏈᏏ", " ", False),
    "Inuktitut": ("ᐊᓂ ᓇᓄᖅ ᓯᓚ ᐃᓄᒃ ᑎᑭ ᒪᓕᒃ ᐅᓪᓗᖅ ᓴᓇ ᐱᑕ ᓄᓇ", "ᐊᐳᑦ ᓯᑯ ᑕᖅᑭᖅ ᐃᒡᓗ ᖃᔭᖅ ᐅᒥᐊᖅ ᑐᒃᑐ ᐊᒪᕈᖅ ᓇᑦᓯᖅ ᓯᕿᓂᖅ", " ", False),
}

# Awkward, but valid. Login name, real name, password.
AWKWARD = [
    ("a", "A", ""),
    ("é", "É", ""),
    ("王", "王", ""),
    ("א", "א", ""),
    ("7", "Seven", ""),
    ("0", "Zero", ""),
    ("42", "Forty-Two", ""),
    ("0042", "Forty-Two Again", ""),
    ("20240229", "Leap Day", ""),
    ("१२३", "अंक", ""),
    ("x" * 64, "Sixty-Four Small Letters", ""),
    ("x" * 63, "One Letter Fewer", ""),
    ("é" * 64, "Sixty-Four Letters With Accents", ""),
    ("木" * 64, "木" * 128, ""),
    ("o\u0308" * 32 + "-" + "n\u0303" * 31, "Combining Marks That Compose", ""),
    ("𠀀𠀁𠀂", "𠀀 𠀁𠀂", ""),
    ("long.real.name", "N" * 128, ""),
    ("m", "M", ""),
    ("mm", "M M", ""),
    ("mmm", "M M M", ""),
    ("ana", "Ana", "correct horse battery staple"),
    ("anna", "Anna", "correct horse battery staple"),
    ("anne", "Anne", ""),
    ("anja", "Anja", ""),
    ("ana1", "Ana", ""),
    ("ana2", "Ana", ""),
    ("aná", "Aná", ""),
    ("anā", "Anā", ""),
    ("anа", "The Last Letter Is Cyrillic", ""),
    ("o'neil", "Ann O'Neil", ""),
    ("oneil", "Ann Oneil", ""),
    ("o\u02bcneil", "Ann O\u02bcNeil", ""),
    ("d'arc-o'shea", "Jo d'Arc-O'Shea", ""),
    ("'quoted'", "'Quoted'", ""),
    ("anne-marie", "Anne-Marie", ""),
    ("anne_marie", "Anne_Marie", ""),
    ("anne.marie", "Anne.Marie", ""),
    ("annemarie", "Annemarie", ""),
    ("dash-", "Dash At The End", ""),
    (".dot", "Dot At The Start", ""),
    ("..", "Two Dots", ""),
    ("_", "Underscore", ""),
    ("@", "At", ""),
    ("ana@example.org", "Ana, by Mail", ""),
    ("ana+lists@example.org", "Ana, by Other Mail", ""),
    ("{braces}", "{Braces}", ""),
    ("[brackets]", "[Brackets]", ""),
    ("$home", "Dollar Home", ""),
    ("~tilde", "~Tilde", ""),
    ("bang!", "Bang!", ""),
    ("null", "NULL", ""),
    ("none", "None", ""),
    ("true", "True", ""),
    ("nan", "NaN", ""),
    ("root", "Root", ""),
    ("admin", "Admin", ""),
    ("login", "Login", ""),
    ("accounts", "Accounts", ""),
    ("1e10", "1E10", ""),
    ("0x2a", "0x2A", ""),
    ("login_name", "real_name", "real password"),
    ("SHOUTING", "SHOUTING", ""),
    ("MixedCase", "mIXED cASE", ""),
    ("ｗｉｄｅ", "ＷＩＤＥ", ""),
    ("ｶﾅｶﾅ", "ｶﾅ ｶﾅ", ""),
    ("STRAẞE", "Straße", ""),
    ("strasse", "Strasse", ""),
    ("ΣΊΣΥΦΟΣ", "Σίσυφος", ""),
    ("İnci", "İnci", ""),
    ("inci", "Inci", ""),
    ("ıncı", "Incı", ""),
    ("col·lega", "Col·lega", ""),
    ("l·l", "l·l", ""),
    ("jose\u0301.decomposed", "Jose\u0301 Decomposed", ""),
    ("\u1112\u1161\u11ab\u1100\u1173\u11af", "\u1112\u1161\u11ab \u1100\u1173\u11af", ""),
    ("a\u0323\u0302", "A\u0323\u0302 A\u0302\u0323", ""),
    ("x\u0304\u0301y\u0308", "X\u0304\u0301 Y\u0308", ""),
    ("מֹשֶׁה", "מֹשֶׁה", ""),
    ("مُحَمَّد", "مُحَمَّد", ""),
    ("مريم7", "مريم 7", ""),
    ("مريم٧", "مريم ٧", ""),
    ("علی‌رضا", "علی‌رضا", ""),
    ("क्‍ष", "क्‍ष", ""),
    ("noa-levi", "נועה Levi", ""),
    ("direction", "Noa נועה 7 مريم", ""),
    ("commas", "Comma, the First, of Commas", ""),
    ("quotes", 'Anna "Quote" Quill', ""),
    ("quotes.and.commas", '"Q", "C", and so on', ""),
    ("only.quotes", '""', ""),
    ("semicolon", "Semi; Colon", ""),
    ("backslash", "Back\\slash \\n", ""),
    ("formula", "=SUM(A1:A2)", ""),
    ("percent", "100% %s %d", ""),
    ("markup", "<b>Bold</b> &amp; more", ""),
    ("injection", "Robert'); DROP TABLE accounts;--", ""),
    ("emoji", "Star ★ Smile 😀", ""),
    ("spaces", "  Many   Spaces   Inside  ", ""),
    ("wide.space", "Wide\u3000Space", ""),
    ("no-break", "No\u00a0Break", ""),
    ("ligature", "ﬁne", ""),
    ("roman", "Ana Ⅷ", ""),
    ("dr", "Dr. h.c. Ana M. d'Oak-Birch, Jr.", ""),
    ("same.name.1", "Ana Same", ""),
    ("same.name.2", "Ana Same", ""),
    ("same.name.3", "Ana Same", ""),
    ("pw.spaces", "Password With Spaces", "  leading and trailing  "),
    ("pw.quotes", "Password With Quotes", 'say "friend", and enter'),
    ("pw.unicode", "Password of Other Letters", "пароль-密码-κωδικός"),
    ("pw.emoji", "Password With Emoji", "🐒🐒🐒🐒🐒🐒🐒🐒"),
    ("pw.combining", "Password of Two Forms", "cafe\u0301 com leite"),
    ("pw.short", "Password of Eight Letters", "qjxkvbzw"),
    ("pw.long", "Password of 1,024 Bytes", "0123456789abcdef" * 64),
    ("pw.dollar", "Password Like a Hash", "$argon2id$v=19$m=19456"),
]

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"

# One defect each. Login name, real name, password, reason code.
BAD = [
    ("", "No Login Name", "", "INVALID_LOGIN_NAME"),
    (" ", "Only a Space", "", "INVALID_LOGIN_NAME"),
    ("two words", "Space Inside", "", "INVALID_LOGIN_NAME"),
    (" leading", "Space Before", "", "INVALID_LOGIN_NAME"),
    ("trailing ", "Space After", "", "INVALID_LOGIN_NAME"),
    ("no\u00a0break", "No-Break Space", "", "INVALID_LOGIN_NAME"),
    ("wide\u3000space", "Wide Space", "", "INVALID_LOGIN_NAME"),
    ("tab\there", "Tab", "", "INVALID_LOGIN_NAME"),
    ("line\nbreak", "Line Break", "", "INVALID_LOGIN_NAME"),
    ("bell\u0007", "Bell", "", "INVALID_LOGIN_NAME"),
    ("\u001b[31mred", "Escape Sequence", "", "INVALID_LOGIN_NAME"),
    ("c1\u0085control", "C1 Control", "", "INVALID_LOGIN_NAME"),
    ("zero\u200bwidth", "Zero-Width Space", "", "INVALID_LOGIN_NAME"),
    ("over\u202eride", "Right-to-Left Override", "", "INVALID_LOGIN_NAME"),
    ("\ufeffmark", "Byte Order Mark", "", "INVALID_LOGIN_NAME"),
    ("soft\u00adhyphen", "Soft Hyphen", "", "INVALID_LOGIN_NAME"),
    ("join\u200der", "Joiner Out of Place", "", "INVALID_LOGIN_NAME"),
    ("dot·dot", "Middle Dot Out of Place", "", "INVALID_LOGIN_NAME"),
    ("path/name", "Slash", "", "INVALID_LOGIN_NAME"),
    ("path／name", "Wide Slash", "", "INVALID_LOGIN_NAME"),
    ("login:name", "Colon", "", "INVALID_LOGIN_NAME"),
    ("comma,name", "Comma", "", "INVALID_LOGIN_NAME"),
    ("semi;colon", "Semicolon", "", "INVALID_LOGIN_NAME"),
    ('quo"te', "Quote", "", "INVALID_LOGIN_NAME"),
    ("back\\slash", "Backslash", "", "INVALID_LOGIN_NAME"),
    ("star*", "Star", "", "INVALID_LOGIN_NAME"),
    ("what?", "Question Mark", "", "INVALID_LOGIN_NAME"),
    ("hash#tag", "Hash", "", "INVALID_LOGIN_NAME"),
    ("per%20cent", "Percent", "", "INVALID_LOGIN_NAME"),
    ("a=b", "Equals Sign", "", "INVALID_LOGIN_NAME"),
    ("<tag>", "Angle Brackets", "", "INVALID_LOGIN_NAME"),
    ("(paren)", "Parentheses", "", "INVALID_LOGIN_NAME"),
    ("smile☺", "Symbol", "", "INVALID_LOGIN_NAME"),
    ("emoji😀", "Emoji", "", "INVALID_LOGIN_NAME"),
    ("en–dash", "En Dash", "", "INVALID_LOGIN_NAME"),
    ("curly’quote", "Curly Apostrophe", "", "INVALID_LOGIN_NAME"),
    ("ﬁgure", "Ligature", "", "INVALID_LOGIN_NAME"),
    ("square²", "Superscript", "", "INVALID_LOGIN_NAME"),
    ("henryⅧ", "Roman Numeral", "", "INVALID_LOGIN_NAME"),
    ("น้ำฝน", "Thai Sara Am", "", "INVALID_LOGIN_NAME"),
    ("private\ue000use", "Private Use", "", "INVALID_LOGIN_NAME"),
    ("un\u0378assigned", "Unassigned Character", "", "INVALID_LOGIN_NAME"),
    ("נועהlevi", "Both Directions", "", "INVALID_LOGIN_NAME"),
    ("leviנועה", "Both Directions", "", "INVALID_LOGIN_NAME"),
    ("7נועה", "Digit Before Hebrew", "", "INVALID_LOGIN_NAME"),
    ("مريم7٧", "Two Kinds of Digits", "", "INVALID_LOGIN_NAME"),
    ("נועה-", "Hyphen After Hebrew", "", "INVALID_LOGIN_NAME"),
    ("y" * 65, "65 Letters", "", "INVALID_LOGIN_NAME"),
    ("ü" * 65, "65 Letters With Marks", "", "INVALID_LOGIN_NAME"),
    ("z" * 5000, "5,000 Letters", "", "INVALID_LOGIN_NAME"),
    (UUID, "Like an Account Id", "", "INVALID_LOGIN_NAME"),
    (UUID.upper(), "Like an Account Id in Capitals", "", "INVALID_LOGIN_NAME"),
    (UUID.replace("-", ""), "Like an Account Id Without Hyphens", "", "INVALID_LOGIN_NAME"),
    ("bad.real.1", "", "", "INVALID_REAL_NAME"),
    ("bad.real.2", "   ", "", "INVALID_REAL_NAME"),
    ("bad.real.3", "Line\nBreak", "", "INVALID_REAL_NAME"),
    ("bad.real.4", "Tab\there", "", "INVALID_REAL_NAME"),
    ("bad.real.5", "\u001b[31mRed", "", "INVALID_REAL_NAME"),
    ("bad.real.6", "Over\u202eride", "", "INVALID_REAL_NAME"),
    ("bad.real.7", "Private \ue000 Use", "", "INVALID_REAL_NAME"),
    ("bad.real.8", "R" * 129, "", "INVALID_REAL_NAME"),
    ("bad.real.9", "\ufdfa" * 8, "", "INVALID_REAL_NAME"),
    ("bad.real.10", "Line\u2028Separator", "", "INVALID_REAL_NAME"),
    ("bad.real.11", "S" * 10000, "", "INVALID_REAL_NAME"),
    ("bad.password.1", "Line Break", "line\nbreak", "INVALID_PASSWORD"),
    ("bad.password.2", "Bell", "ding\u0007", "INVALID_PASSWORD"),
    ("bad.password.3", "Tab", "tab\there", "INVALID_PASSWORD"),
    ("bad.password.4", "Override", "over\u202eride", "INVALID_PASSWORD"),
    ("bad.password.5", "1,025 Bytes", "p" * 1025, "INVALID_PASSWORD"),
    ("bad.password.6", "Too Many Bytes", "é" * 600, "INVALID_PASSWORD"),
    ("bad.password.7", "Private Use", "pri\ue000vate", "INVALID_PASSWORD"),
    ("ana", "Taken", "", "LOGIN_NAME_TAKEN"),
    ("ANA", "Taken, in Capitals", "", "LOGIN_NAME_TAKEN"),
    ("ａｎａ", "Taken, in Wide Letters", "", "LOGIN_NAME_TAKEN"),
    ("Shouting", "Taken, in Other Case", "", "LOGIN_NAME_TAKEN"),
    ("wide", "Taken, in Narrow Letters", "", "LOGIN_NAME_TAKEN"),
    ("カナカナ", "Taken, in Full-Width Kana", "", "LOGIN_NAME_TAKEN"),
    ("ana\u0301", "Taken, Decomposed", "", "LOGIN_NAME_TAKEN"),
    ("JOSÉ.decomposed", "Taken, Composed", "", "LOGIN_NAME_TAKEN"),
    ("한글", "Taken, Composed", "", "LOGIN_NAME_TAKEN"),
    ("ậ", "Taken, Composed", "", "LOGIN_NAME_TAKEN"),
    ("straße", "Taken, in Small Letters", "", "LOGIN_NAME_TAKEN"),
    ("σίσυφος", "Taken, With a Final Sigma", "", "LOGIN_NAME_TAKEN"),
    ("σίσυφοσ", "Taken, Without a Final Sigma", "", "LOGIN_NAME_TAKEN"),
    ("L·L", "Taken, in Capitals", "", "LOGIN_NAME_TAKEN"),
]

WORDS = "amber birch cedar delta ember fjord grove harbor island juniper kelp lagoon meadow nectar orchid".split()


class Dice:
    """Numbers that depend on the seed only, not on a version of Python."""

    def __init__(self, seed):
        self.seed = seed
        self.count = 0

    def below(self, bound):
        self.count += 1
        digest = hashlib.sha256(f"{self.seed} {self.count}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % bound

    def pick(self, choices):
        return choices[self.below(len(choices))]


def normal(login_name):
    """Names that are the same to Quorid are the same here, and some more: ß and ss."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", login_name).casefold())


def password(dice):
    if dice.below(8) > 0:
        return ""
    return "-".join(dice.pick(WORDS) for _ in range(3)) + f"-{dice.below(100)}"


def login_names(dice, given, family):
    """Ways to make a login name of somebody's names, without end."""
    given, family = given.replace("ʻ", "'"), family.replace("ʻ", "'")
    lower_given, lower_family = given.lower(), family.lower()
    ways = [
        f"{lower_given}.{lower_family}",
        f"{lower_given}-{lower_family}",
        f"{lower_given}_{lower_family}",
        lower_given + lower_family,
        f"{lower_family}.{lower_given}",
        f"{given}.{family}",
    ]
    yield dice.pick(ways)
    yield dice.pick(ways) + str(dice.below(90) + 10)
    number = 100
    while True:
        number += 1
        yield ways[0] + str(number)


def accounts():
    dice = Dice(SEED)
    rows = list(AWKWARD)
    taken = {normal(row[0]) for row in rows}
    peoples = list(PEOPLES.values())
    while len(rows) < ACCOUNTS:
        givens, families, between, family_first = peoples[len(rows) % len(peoples)]
        given, family = dice.pick(givens.split()), dice.pick(families.split())
        names = (family, given) if family_first else (given, family)
        for login_name in login_names(dice, given, family):
            if normal(login_name) not in taken:
                break
        taken.add(normal(login_name))
        rows.append((login_name, between.join(names), password(dice)))
    return rows


def text(header, rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def main():
    here = pathlib.Path(__file__).resolve().parent
    header = ["login_name", "real_name", "password"]
    files = {
        here / "accounts.csv": text(header, accounts()),
        here / "bad.csv": text(header + ["expected_error"], BAD),
    }
    if sys.argv[1:] == ["--check"]:
        other = [path.name for path, data in files.items() if path.read_bytes() != data]
        sys.exit(f"not as made: {', '.join(other)}; run: python3 samples/make.py" if other else 0)
    for path, data in files.items():
        path.write_bytes(data)


if __name__ == "__main__":
    main()
