"""What both demos tell: the question, the shop, and the answer of the scripted model."""

__all__ = ["ANSWER", "HANDBOOK", "INSTRUCTIONS", "ORDERS", "QUESTION"]

QUESTION = "Where is my order A-1042, and can I still send it back?"
INSTRUCTIONS = "You are the support desk of a bicycle shop. Look things up before you answer, and answer in few words."
ANSWER = (
    "Your order A-1042, a pair of mudguards, is on its way and should be with you on Thursday. "
    "You can send it back within 30 days of its arrival; the label is in the box, and sending it costs you nothing."
)
HANDBOOK = {
    "returns": "Goods can be sent back within 30 days of their arrival. The label is in the box.",
    "shipping": "Sending an order back costs the customer nothing. Money is returned within five days.",
    "repairs": "The workshop is open on weekdays. A service takes two days.",
}
ORDERS = {"A-1042": "A-1042: a pair of mudguards, handed to the carrier, arrives on Thursday"}
