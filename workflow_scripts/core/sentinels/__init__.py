"""The sentinels: how a base continues prompts that an assistant would continue differently, as rates.

A base that was tuned on chats betrays itself whatever its name and its prompts are: it stops after an answer,
speaks as an assistant, expects the end of a chat turn, and does not go on to the next question.
"""
