"""The intermediate form between graphs and C: programs of statements that read and write views of buffers.

From the ground up: numbers that move with loops (`affine`), buffers and views of them (`views`), scalar expressions
(`expressions`), the base class of statements (`kinds`), loops (`loops`), how a group runs (`schedule`), all other
statements and the program that holds them (`statements`).
"""
